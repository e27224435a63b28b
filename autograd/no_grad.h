// While a NoGrad lives, operations on this thread record no history: sampling, evaluation, metrics.
#pragma once

namespace imago {

bool grad_enabled();

class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

}  // namespace imago
