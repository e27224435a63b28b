#include "kernels/conv2d.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

// All shapes of one convolution, checked. `op` names the caller in messages.
Conv2dShape shape_of(const char* op, const Shape& x, const Shape& weight, const Conv2dOptions& options) {
  const auto& [stride, padding, groups] = options;
  IMAGO_CHECK(x.rank() == 4, op, ": x must be (N, H, W, C), got ", x);
  const int64_t C = x[3];
  IMAGO_CHECK(stride >= 1, op, ": stride must be at least 1, got ", stride);
  IMAGO_CHECK(groups >= 1 && C % groups == 0, op, ": ", C, " channels do not split into ", groups, " groups");
  IMAGO_CHECK(C > 0, op, ": x must have channels, got ", x);
  IMAGO_CHECK(weight.rank() == 4 && weight[3] == C / groups && weight.numel() > 0, op, ": weight must be (O, KH, KW, ",
              C / groups, "), got ", weight);
  IMAGO_CHECK(weight[0] % groups == 0, op, ": ", weight[0], " output channels do not split into ", groups, " groups");
  IMAGO_CHECK(std::min({padding.top, padding.bottom, padding.left, padding.right}) >= 0, op,
              ": padding must not be negative, got ", padding.top, ", ", padding.bottom, ", ", padding.left, ", ",
              padding.right);
  const int64_t height = x[1] + padding.top + padding.bottom, width = x[2] + padding.left + padding.right;
  IMAGO_CHECK(weight[1] <= height && weight[2] <= width, op, ": the kernel must fit into the padded image of ", height,
              " x ", width, ", got ", weight[1], " x ", weight[2]);
  return {
      .N = x[0], .H = x[1], .W = x[2], .C = C, .O = weight[0], .KH = weight[1], .KW = weight[2],
      .HO = (height - weight[1]) / stride + 1, .WO = (width - weight[2]) / stride + 1,
      .stride = stride, .top = padding.top, .left = padding.left, .groups = groups,
  };
}

Shape output_shape(const Conv2dShape& s) { return {s.N, s.HO, s.WO, s.O}; }

void check_output_gradient(const char* op, const Tensor& dy, const Conv2dShape& s) {
  IMAGO_CHECK(dy.shape() == output_shape(s), op, ": dy must be ", output_shape(s), ", got ", dy.shape());
}

// An optional tensor that must have this shape and x's type.
void check_addend(const char* argument, const Tensor& t, const Shape& shape, DType dtype) {
  if (!t.defined()) return;
  IMAGO_CHECK(t.shape() == shape, "conv2d: ", argument, " must be ", shape, ", got ", t.shape());
  IMAGO_CHECK(t.dtype() == dtype, "conv2d: ", argument, " must be ", dtype, ", got ", t.dtype());
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Conv2dOptions& options, const Conv2dAddends& addends) {
  const Conv2dShape s = shape_of("conv2d", x.shape(), weight.shape(), options);
  IMAGO_CHECK(weight.dtype() == x.dtype(), "conv2d: weight must be ", x.dtype(), ", got ", weight.dtype());
  check_addend("bias", addends.bias, {s.O}, x.dtype());
  check_addend("channel_bias", addends.channel_bias, {s.N, s.O}, x.dtype());
  check_addend("residual", addends.residual, output_shape(s), x.dtype());
  check_same_device("conv2d", x, {{"weight", weight}, {"bias", addends.bias}, {"channel_bias", addends.channel_bias},
                                  {"residual", addends.residual}});
  const Tensor y(output_shape(s), x.dtype(), x.device());
  const Conv2dForward p{
      .x = x.raw(), .weight = weight.raw(), .bias = addends.bias.raw(), .channel_bias = addends.channel_bias.raw(),
      .residual = addends.residual.raw(), .y = y.raw(), .shape = s, .dtype = x.dtype(),
  };
  if (y.numel()) backend_for(x.device()).conv2d_forward(p, current_stream(x.device()));
  return y;
}

Tensor conv2d_backward_input(const Tensor& dy, const Tensor& weight, const Shape& x, const Conv2dOptions& options) {
  const Conv2dShape s = shape_of("conv2d_backward_input", x, weight.shape(), options);
  check_output_gradient("conv2d_backward_input", dy, s);
  check_same_device("conv2d_backward_input", dy, {{"weight", weight}});
  const Tensor dx(x, dy.dtype(), dy.device());
  const Conv2dBackwardInput p{.dy = dy.raw(), .weight = weight.raw(), .dx = dx.raw(), .shape = s, .dtype = dy.dtype()};
  if (dx.numel()) backend_for(dy.device()).conv2d_backward_input(p, current_stream(dy.device()));
  return dx;
}

Tensor conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Shape& weight, const Conv2dOptions& options) {
  const Conv2dShape s = shape_of("conv2d_backward_weight", x.shape(), weight, options);
  check_output_gradient("conv2d_backward_weight", dy, s);
  check_same_device("conv2d_backward_weight", dy, {{"x", x}});
  if (!dy.numel() || !x.numel()) return Tensor::zeros(weight, accumulator(dy.dtype()), dy.device());
  const Tensor dweight(weight, accumulator(dy.dtype()), dy.device());
  const Conv2dBackwardWeight p{.dy = dy.raw(), .x = x.raw(), .dweight = dweight.raw(), .shape = s, .dtype = dy.dtype()};
  backend_for(dy.device()).conv2d_backward_weight(p, current_stream(dy.device()));
  return dweight;
}

Conv2dBiasGrads conv2d_backward_bias(const Tensor& dy, std::bitset<32> want) {
  IMAGO_CHECK(dy.rank() == 4, "conv2d_backward_bias: dy must be (N, HO, WO, O), got ", dy.shape());
  const int64_t N = dy.dim(0), O = dy.dim(3);
  Conv2dBiasGrads g;
  if (want[0]) g.dbias = Tensor::zeros({O}, accumulator(dy.dtype()), dy.device());
  if (want[1]) g.dchannel_bias = Tensor::zeros({N, O}, dy.dtype(), dy.device());
  const Conv2dBackwardBias p{
      .dy = dy.raw(), .dbias = g.dbias.raw(), .dchannel_bias = g.dchannel_bias.raw(),
      .N = N, .S = dy.dim(1) * dy.dim(2), .O = O, .dtype = dy.dtype(),
  };
  if (dy.numel()) backend_for(dy.device()).conv2d_backward_bias(p, current_stream(dy.device()));
  return g;
}

}  // namespace imago::kernels
