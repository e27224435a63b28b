#include "kernels/group_norm.h"

#include "autograd/functions.h"

namespace imago {

Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, const GroupNormOptions& options) {
  auto [y, mean, rstd] = kernels::group_norm(x.value(), weight.value(), bias.value(), options);
  auto backward = [x = Saved(x), weight = Saved(weight), bias = Saved(bias), mean = Saved(mean), rstd = Saved(rstd),
                   activation = options.activation](const Tensor& dy, Needs need) -> Grads {
    auto [dx, dweight, dbias] = kernels::group_norm_backward(dy, x, weight, bias, mean, rstd, activation, need);
    return {dx, dweight, dbias};
  };
  return record("group_norm", y, {x, weight, bias}, backward);
}

}  // namespace imago
