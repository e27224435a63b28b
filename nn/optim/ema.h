// The exponential moving average of a model's parameters, with a decay that grows from 0 to its
// final value.
#pragma once

#include "nn/arena.h"

namespace imago::nn {

// The rule and the names are those of diffusers' EMAModel, the defaults those of its training
// script.
struct EmaOptions {
  double max_decay = 0.9999;
  double min_decay = 0;
  int64_t update_after_step = 0;  // until then the average is a copy
  bool warmup = true;             // false: the decay is (1 + s) / (10 + s) instead
  double inv_gamma = 1, power = 0.75;
};

// The decay of update k (the first is 1). With s = k - update_after_step - 1: 0 where s <= 0,
// otherwise 1 - (1 + s / inv_gamma)^-power, kept within [min_decay, max_decay].
double ema_decay(const EmaOptions& options, int64_t k);

class Ema {
 public:
  // Starts as a copy of the parameters.
  explicit Ema(const ParameterArena& arena, const EmaOptions& options = {});

  // One update by itself. Optimizer::step() does the same in its own pass over the parameters.
  void update();
  // Counts an update and returns its decay: for whoever changes values() itself.
  double advance() { return ema_decay(options_, ++steps_); }

  Tensor& values() { return values_; }  // flat, laid out as the arena
  const EmaOptions& options() const { return options_; }
  int64_t steps() const { return steps_; }  // updates so far
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  const ParameterArena& arena_;
  EmaOptions options_;
  Tensor values_;
  int64_t steps_ = 0;
};

}  // namespace imago::nn
