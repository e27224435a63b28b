#include "kernels/layer_norm.h"

#include "autograd/functions.h"

namespace imago {

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  auto [y, mean, rstd] = kernels::layer_norm(x.value(), weight.value(), bias.value(), eps);
  auto backward = [x = Saved(x), weight = Saved(weight), mean = Saved(mean), rstd = Saved(rstd)](
                      const Tensor& dy, Needs need) -> Grads {
    auto [dx, dweight, dbias] = kernels::layer_norm_backward(dy, x, weight, mean, rstd, need);
    return {dx, dweight, dbias};
  };
  return record("layer_norm", y, {x, weight, bias}, backward);
}

}  // namespace imago
