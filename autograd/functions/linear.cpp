#include "kernels/linear.h"

#include "autograd/functions.h"

namespace imago {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const Tensor y =
      kernels::linear(x.value(), weight.value(), bias.defined() ? bias.value() : Tensor());
  auto backward = [x = Saved(x), weight = Saved(weight)](const Tensor& dy, Needs need) -> Grads {
    auto [dx, dweight, dbias] = kernels::linear_backward(dy, x, weight, need);
    return {dx, dweight, dbias};
  };
  return record("linear", y, {x, weight, bias}, backward);
}

}  // namespace imago
