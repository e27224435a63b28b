#include "nn/training.h"

#include "autograd/functions.h"
#include "autograd/no_grad.h"
#include "core/random.h"

namespace imago::nn {
namespace {

thread_local Training* current = nullptr;

}  // namespace

Training::Training(uint64_t seed, uint32_t step, const uint32_t* step_at)
    : Training(RandomKey{.seed = seed, .stream = kDropoutStream, .step = step, .step_at = step_at}) {}
Training::Training(const std::optional<RandomKey>& upcoming)
    : upcoming_(upcoming.value_or(RandomKey{})), before_(current) {
  current = upcoming ? this : nullptr;
}
Training::~Training() { current = before_; }

std::optional<RandomKey> Training::next_mask() {
  if (!current || !grad_enabled()) return std::nullopt;
  const RandomKey key = current->upcoming_;
  ++current->upcoming_.stream;
  return key;
}

std::optional<RandomKey> Training::upcoming_mask() {
  return current ? std::optional(current->upcoming_) : std::nullopt;
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
