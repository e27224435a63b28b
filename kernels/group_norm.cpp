#include "kernels/group_norm.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

int64_t positions(const Tensor& x) {
  return x.numel() / std::max<int64_t>(1, x.dim(0) * x.dim(-1));
}

}  // namespace

GroupNormResult group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const GroupNormOptions& options, GroupNormKernel kernel) {
  IMAGO_CHECK(x.rank() >= 2, "group_norm: x must be (N, ..., C), got ", x.shape());
  const int64_t N = x.dim(0), C = x.dim(-1), G = options.groups;
  IMAGO_CHECK(G > 0 && C % G == 0, "group_norm: ", C, " channels do not split into ", G, " groups");
  IMAGO_CHECK(weight.shape() == Shape{C}, "group_norm: weight must be (", C, "), got ",
              weight.shape());
  IMAGO_CHECK(bias.shape() == Shape{C}, "group_norm: bias must be (", C, "), got ", bias.shape());
  IMAGO_CHECK(weight.dtype() == x.dtype() && bias.dtype() == x.dtype(),
              "group_norm: weight and bias must be ", x.dtype(), ", got ", weight.dtype(), " and ",
              bias.dtype());
  check_same_device("group_norm", x, {{"weight", weight}, {"bias", bias}});

  GroupNormResult out{
      .y = Tensor::empty_like(x),
      .mean = Tensor({N, G}, accumulator(x.dtype()), x.device()),
      .rstd = Tensor({N, G}, accumulator(x.dtype()), x.device()),
  };
  const GroupNormForward p{
      .x = x.raw(),
      .weight = weight.raw(),
      .bias = bias.raw(),
      .y = out.y.raw(),
      .mean = out.mean.raw(),
      .rstd = out.rstd.raw(),
      .N = N,
      .S = positions(x),
      .C = C,
      .G = G,
      .eps = options.eps,
      .activation = options.activation,
      .kernel = kernel,
      .dtype = x.dtype(),
  };
  if (x.numel()) backend_for(x.device()).group_norm_forward(p, current_stream(x.device()));
  return out;
}

GroupNormGrads group_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                   const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                                   Activation activation, std::bitset<32> want,
                                   GroupNormKernel kernel) {
  IMAGO_CHECK(dy.shape() == x.shape(), "group_norm_backward: dy must be ", x.shape(), ", got ",
              dy.shape());
  GroupNormGrads g;
  if (want[0]) g.dx = Tensor::empty_like(x);
  const auto sums = [&] { return Tensor::zeros(weight.shape(), accumulator(x.dtype()), x.device()); };
  if (want[1]) g.dweight = sums();
  if (want[2]) g.dbias = sums();
  const GroupNormBackward p{
      .dy = dy.raw(),
      .x = x.raw(),
      .weight = weight.raw(),
      .bias = bias.raw(),
      .mean = mean.raw(),
      .rstd = rstd.raw(),
      .dx = g.dx.raw(),
      .dweight = g.dweight.raw(),
      .dbias = g.dbias.raw(),
      .N = x.dim(0),
      .S = positions(x),
      .C = x.dim(-1),
      .G = mean.dim(1),
      .activation = activation,
      .kernel = kernel,
      .dtype = x.dtype(),
  };
  if (x.numel()) backend_for(x.device()).group_norm_backward(p, current_stream(x.device()));
  return g;
}

}  // namespace imago::kernels
