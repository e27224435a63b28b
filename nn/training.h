// Training mode, and what depends on it: dropout.
#pragma once

#include <optional>

#include "autograd/variable.h"
#include "core/philox.h"

namespace imago::nn {

// While a Training lives, layers on this thread behave as they do in training: dropout drops. Its
// masks are a function of (seed, step) and of how many masks this Training has drawn before, so no
// two layers share one and a resumed run draws the same ones. Without it, as in sampling, layers
// are deterministic.
class Training {
 public:
  // step_at as in RandomKey: a counter on the device, which is added to step.
  Training(uint64_t seed, uint32_t step, const uint32_t* step_at = nullptr);
  // Goes on from what upcoming_mask() said, for a part of the forward pass that is run once more. If that was none,
  // then as if there were no Training.
  explicit Training(const std::optional<RandomKey>& upcoming);
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  // The key of the next mask; none outside of training or under NoGrad.
  static std::optional<RandomKey> next_mask();
  // The same, but the next call of either gets it again; under NoGrad too.
  static std::optional<RandomKey> upcoming_mask();

 private:
  RandomKey upcoming_;
  Training* before_;
};

// Srivastava et al. 2014: in training, each element is zeroed with probability p and the rest
// divided by 1 - p.
class Dropout {
 public:
  explicit Dropout(double p);
  Variable operator()(const Variable& x) const;

 private:
  double p_;
};

}  // namespace imago::nn
