// What operations on this thread remember.
#pragma once

namespace imago {

bool grad_enabled();
bool history_enabled();

// While a NoGrad lives, operations on this thread record no history: sampling, evaluation, metrics.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

// While a History lives, operations record or do not record, but either way this is training: layers do what they do in
// training, dropout drops. For parts of the forward pass that are run twice.
class History {
 public:
  explicit History(bool enabled);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

 private:
  bool grad_before_, history_before_;
};

}  // namespace imago
