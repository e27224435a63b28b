#include "kernels/upsample_nearest.h"

#include "autograd/functions.h"

namespace imago {

Variable upsample_nearest(const Variable& x) {
  return record("upsample_nearest", kernels::upsample_nearest(x.value()), {x},
                [](const Tensor& dy, Needs) -> Grads { return {kernels::upsample_nearest_backward(dy)}; });
}

}  // namespace imago
