#include "kernels/softmax.h"

#include "autograd/functions.h"

namespace imago {

Variable softmax(const Variable& x) {
  const Tensor y = kernels::softmax(x.value());
  auto backward = [y = Saved(y)](const Tensor& dy, Needs) -> Grads {
    return {kernels::softmax_backward(dy, y)};
  };
  return record("softmax", y, {x}, backward);
}

}  // namespace imago
