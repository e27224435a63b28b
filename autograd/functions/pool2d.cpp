#include "kernels/pool2d.h"

#include "autograd/functions.h"

namespace imago {

Variable avg_pool2d(const Variable& x, int64_t kernel, int64_t stride) {
  auto backward = [shape = x.shape(), kernel, stride](const Tensor& dy, Needs) -> Grads {
    return {kernels::avg_pool2d_backward(dy, shape, kernel, stride)};
  };
  return record("avg_pool2d", kernels::avg_pool2d(x.value(), kernel, stride), {x}, backward);
}

Variable max_pool2d(const Variable& x, int64_t kernel, int64_t stride) {
  auto [y, index] = kernels::max_pool2d(x.value(), kernel, stride);
  auto backward = [index = Saved(index), shape = x.shape(), kernel, stride](const Tensor& dy, Needs) -> Grads {
    return {kernels::max_pool2d_backward(dy, index, shape, kernel, stride)};
  };
  return record("max_pool2d", y, {x}, backward);
}

}  // namespace imago
