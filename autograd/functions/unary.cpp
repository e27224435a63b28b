#include "kernels/unary.h"

#include "autograd/functions.h"

namespace imago {

Variable unary(UnaryOp op, const Variable& x) {
  return record(kernels::name_of(op), kernels::unary(op, x.value()), {x},
                [op, x = Saved(x)](const Tensor& dy, Needs) -> Grads { return {kernels::unary_backward(op, dy, x)}; });
}

}  // namespace imago
