#include "kernels/pool2d.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

Pool2dShape pool_shape(const char* op, const Shape& x, int64_t kernel, int64_t stride) {
  IMAGO_CHECK(x.rank() == 4, op, ": x must be (N, H, W, C), got ", x);
  IMAGO_CHECK(kernel > 0 && stride > 0, op, ": kernel and stride must be positive, got ", kernel,
              " and ", stride);
  IMAGO_CHECK(kernel <= x[1] && kernel <= x[2], op, ": a window of ", kernel, " x ", kernel,
              " does not fit into ", x);
  return {.N = x[0],
          .H = x[1],
          .W = x[2],
          .C = x[3],
          .HO = (x[1] - kernel) / stride + 1,
          .WO = (x[2] - kernel) / stride + 1,
          .kernel = kernel,
          .stride = stride};
}

Shape output(const Pool2dShape& s) { return {s.N, s.HO, s.WO, s.C}; }

void check_dy(const char* op, const Tensor& dy, const Pool2dShape& s) {
  IMAGO_CHECK(dy.shape() == output(s), op, ": dy must be ", output(s), ", got ", dy.shape());
}

}  // namespace

Tensor avg_pool2d(const Tensor& x, int64_t kernel, int64_t stride) {
  const Pool2dShape shape = pool_shape("avg_pool2d", x.shape(), kernel, stride);
  Tensor y(output(shape), x.dtype(), x.device());
  const AvgPool2dForward p{.x = x.raw(), .y = y.raw(), .shape = shape, .dtype = x.dtype()};
  if (y.numel()) backend_for(x.device()).avg_pool2d_forward(p, current_stream(x.device()));
  return y;
}

Tensor avg_pool2d_backward(const Tensor& dy, const Shape& x_shape, int64_t kernel, int64_t stride) {
  const Pool2dShape shape = pool_shape("avg_pool2d_backward", x_shape, kernel, stride);
  check_dy("avg_pool2d_backward", dy, shape);
  Tensor dx(x_shape, dy.dtype(), dy.device());
  const AvgPool2dBackward p{.dy = dy.raw(), .dx = dx.raw(), .shape = shape, .dtype = dy.dtype()};
  if (dx.numel()) backend_for(dy.device()).avg_pool2d_backward(p, current_stream(dy.device()));
  return dx;
}

MaxPool2dResult max_pool2d(const Tensor& x, int64_t kernel, int64_t stride) {
  const Pool2dShape shape = pool_shape("max_pool2d", x.shape(), kernel, stride);
  const DType index_dtype = kernel <= 16 ? DType::u8 : DType::i32;
  const MaxPool2dResult out{
      .y = Tensor(output(shape), x.dtype(), x.device()),
      .index = Tensor(output(shape), index_dtype, x.device()),
  };
  const MaxPool2dForward p{
      .x = x.raw(),
      .y = out.y.raw(),
      .index = out.index.raw(),
      .shape = shape,
      .dtype = x.dtype(),
      .index_dtype = index_dtype,
  };
  if (out.y.numel()) backend_for(x.device()).max_pool2d_forward(p, current_stream(x.device()));
  return out;
}

Tensor max_pool2d_backward(const Tensor& dy, const Tensor& index, const Shape& x_shape,
                           int64_t kernel, int64_t stride) {
  const Pool2dShape shape = pool_shape("max_pool2d_backward", x_shape, kernel, stride);
  check_dy("max_pool2d_backward", dy, shape);
  IMAGO_CHECK(index.shape() == dy.shape(), "max_pool2d_backward: index must be ", dy.shape(), ", got ", index.shape());
  check_same_device("max_pool2d_backward", dy, {{"index", index}});
  Tensor dx(x_shape, dy.dtype(), dy.device());
  const MaxPool2dBackward p{
      .dy = dy.raw(),
      .index = index.raw(),
      .dx = dx.raw(),
      .shape = shape,
      .dtype = dy.dtype(),
      .index_dtype = index.dtype(),
  };
  if (dx.numel()) backend_for(dy.device()).max_pool2d_backward(p, current_stream(dy.device()));
  return dx;
}

}  // namespace imago::kernels
