#include "kernels/pad.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor pad(const Tensor& x, const Padding& padding) {
  const auto [top, bottom, left, right] = padding;
  IMAGO_CHECK(x.rank() == 4, "pad: x must be (N, H, W, C), got ", x.shape());
  IMAGO_CHECK(top >= 0 && bottom >= 0 && left >= 0 && right >= 0, "pad: padding must not be negative, got ", top, ", ",
              bottom, ", ", left, ", ", right, " (top, bottom, left, right)");
  const int64_t N = x.dim(0), H = x.dim(1), W = x.dim(2), C = x.dim(3);
  Tensor y({N, H + top + bottom, W + left + right, C}, x.dtype(), x.device());
  const PadForward p{
      .x = x.raw(), .y = y.raw(), .N = N, .H = H, .W = W, .C = C, .padding = padding, .dtype = x.dtype(),
  };
  if (y.numel()) backend_for(x.device()).pad_forward(p, current_stream(x.device()));
  return y;
}

Tensor pad_backward(const Tensor& dy, const Padding& padding) {
  const auto [top, bottom, left, right] = padding;
  IMAGO_CHECK(dy.rank() == 4 && dy.dim(1) >= top + bottom && dy.dim(2) >= left + right,
              "pad_backward: dy must be (N, H, W, C) with H >= ", top + bottom, " and W >= ", left + right, ", got ",
              dy.shape());
  const int64_t N = dy.dim(0), H = dy.dim(1) - top - bottom, W = dy.dim(2) - left - right, C = dy.dim(3);
  Tensor dx({N, H, W, C}, dy.dtype(), dy.device());
  const PadBackward p{
      .dy = dy.raw(), .dx = dx.raw(), .N = N, .H = H, .W = W, .C = C, .padding = padding, .dtype = dy.dtype(),
  };
  if (dx.numel()) backend_for(dy.device()).pad_backward(p, current_stream(dy.device()));
  return dx;
}

}  // namespace imago::kernels
