#include "kernels/layer_norm.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

LayerNormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  IMAGO_CHECK(x.rank() >= 1, "layer_norm: x must be (..., C), got ", x.shape());
  const int64_t C = x.dim(-1);
  IMAGO_CHECK(weight.shape() == Shape{C}, "layer_norm: weight must be (", C, "), got ",
              weight.shape());
  IMAGO_CHECK(bias.shape() == Shape{C}, "layer_norm: bias must be (", C, "), got ", bias.shape());
  IMAGO_CHECK(weight.dtype() == x.dtype() && bias.dtype() == x.dtype(),
              "layer_norm: weight and bias must be ", x.dtype(), ", got ", weight.dtype(), " and ",
              bias.dtype());
  check_same_device("layer_norm", x, {{"weight", weight}, {"bias", bias}});

  const Shape rows = x.shape().without(-1);
  LayerNormResult out{
      .y = Tensor::empty_like(x),
      .mean = Tensor(rows, accumulator(x.dtype()), x.device()),
      .rstd = Tensor(rows, accumulator(x.dtype()), x.device()),
  };
  const LayerNormForward p{
      .x = x.raw(),
      .weight = weight.raw(),
      .bias = bias.raw(),
      .y = out.y.raw(),
      .mean = out.mean.raw(),
      .rstd = out.rstd.raw(),
      .M = rows.numel(),
      .C = C,
      .eps = eps,
      .dtype = x.dtype(),
  };
  if (x.numel()) backend_for(x.device()).layer_norm_forward(p, current_stream(x.device()));
  return out;
}

LayerNormGrads layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                   const Tensor& mean, const Tensor& rstd, std::bitset<32> want) {
  IMAGO_CHECK(dy.shape() == x.shape(), "layer_norm_backward: dy must be ", x.shape(), ", got ",
              dy.shape());
  LayerNormGrads g;
  if (want[0]) g.dx = Tensor::empty_like(x);
  if (want[1]) g.dweight = Tensor::zeros_like(weight);
  if (want[2]) g.dbias = Tensor::zeros_like(weight);
  const LayerNormBackward p{
      .dy = dy.raw(),
      .x = x.raw(),
      .weight = weight.raw(),
      .mean = mean.raw(),
      .rstd = rstd.raw(),
      .dx = g.dx.raw(),
      .dweight = g.dweight.raw(),
      .dbias = g.dbias.raw(),
      .M = mean.numel(),
      .C = x.dim(-1),
      .dtype = x.dtype(),
  };
  if (x.numel()) backend_for(x.device()).layer_norm_backward(p, current_stream(x.device()));
  return g;
}

}  // namespace imago::kernels
