#include "kernels/conv2d.h"

#include "autograd/functions.h"

namespace imago {
namespace {

Tensor value_or_undefined(const Variable& v) { return v.defined() ? v.value() : Tensor(); }

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Conv2dOptions& options,
                const Conv2dEpilogue& epilogue) {
  const auto& [bias, channel_bias, residual] = epilogue;
  const Tensor y = kernels::conv2d(x.value(), weight.value(), options,
                                   {.bias = value_or_undefined(bias),
                                    .channel_bias = value_or_undefined(channel_bias),
                                    .residual = value_or_undefined(residual)});
  // Each operand is kept for the gradient of the other one only.
  auto backward = [x = weight.requires_grad() ? Saved(x) : Saved(),
                   weight = x.requires_grad() ? Saved(weight) : Saved(), x_shape = x.shape(),
                   weight_shape = weight.shape(), options](const Tensor& dy, Needs need) -> Grads {
    const auto [dbias, dchannel_bias] = need[2] || need[3] ? kernels::conv2d_backward_bias(dy, need.to_ulong() >> 2)
                                                           : kernels::Conv2dBiasGrads{};
    return {need[0] ? kernels::conv2d_backward_input(dy, weight, x_shape, options) : Tensor(),
            need[1] ? kernels::conv2d_backward_weight(dy, x, weight_shape, options) : Tensor(),
            dbias, dchannel_bias, need[4] ? dy : Tensor()};
  };
  return record("conv2d", y, {x, weight, bias, channel_bias, residual}, backward);
}

}  // namespace imago
