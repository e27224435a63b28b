#include "nn/training.h"

#include "autograd/functions.h"
#include "autograd/no_grad.h"
#include "core/random.h"

namespace imago::nn {
namespace {

thread_local Training* current = nullptr;

}  // namespace

Training::Training(uint64_t seed, uint32_t step, const uint32_t* step_at)
    : seed_(seed), step_(step), step_at_(step_at), before_(current) {
  current = this;
}
Training::~Training() { current = before_; }

std::optional<RandomKey> Training::next_mask() {
  if (!current || !grad_enabled()) return std::nullopt;
  return RandomKey{.seed = current->seed_,
                   .stream = kDropoutStream + current->masks_++,
                   .step = current->step_,
                   .step_at = current->step_at_};
}

Dropout::Dropout(double p) : p_(p) {
  IMAGO_CHECK(p >= 0 && p < 1, "Dropout: p must be in [0, 1), got ", p);
}

Variable Dropout::operator()(const Variable& x) const {
  if (p_ == 0) return x;
  const std::optional<RandomKey> key = Training::next_mask();
  return key ? dropout(x, p_, *key) : x;
}

}  // namespace imago::nn
