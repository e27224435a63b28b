#include "kernels/pixel_shuffle.h"

#include "autograd/functions.h"

namespace imago {

Variable pixel_unshuffle(const Variable& x, int64_t r) {
  return record("pixel_unshuffle", kernels::pixel_unshuffle(x.value(), r), {x},
                [r](const Tensor& dy, Needs) -> Grads { return {kernels::pixel_shuffle(dy, r)}; });
}

Variable pixel_shuffle(const Variable& x, int64_t r) {
  return record("pixel_shuffle", kernels::pixel_shuffle(x.value(), r), {x},
                [r](const Tensor& dy, Needs) -> Grads { return {kernels::pixel_unshuffle(dy, r)}; });
}

}  // namespace imago
