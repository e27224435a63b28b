#include "kernels/upsample_nearest.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor upsample_nearest(const Tensor& x) {
  IMAGO_CHECK(x.rank() == 4, "upsample_nearest: x must be (N, H, W, C), got ", x.shape());
  const int64_t N = x.dim(0), H = x.dim(1), W = x.dim(2), C = x.dim(3);
  Tensor y({N, 2 * H, 2 * W, C}, x.dtype(), x.device());
  const UpsampleNearestForward p{
      .x = x.raw(), .y = y.raw(), .N = N, .H = H, .W = W, .C = C, .dtype = x.dtype(),
  };
  if (y.numel()) backend_for(x.device()).upsample_nearest_forward(p, current_stream(x.device()));
  return y;
}

Tensor upsample_nearest_backward(const Tensor& dy) {
  IMAGO_CHECK(dy.rank() == 4 && dy.dim(1) % 2 == 0 && dy.dim(2) % 2 == 0,
              "upsample_nearest_backward: dy must be (N, 2H, 2W, C), got ", dy.shape());
  const int64_t N = dy.dim(0), H = dy.dim(1) / 2, W = dy.dim(2) / 2, C = dy.dim(3);
  Tensor dx({N, H, W, C}, dy.dtype(), dy.device());
  const UpsampleNearestBackward p{
      .dy = dy.raw(), .dx = dx.raw(), .N = N, .H = H, .W = W, .C = C, .dtype = dy.dtype(),
  };
  if (dx.numel()) backend_for(dy.device()).upsample_nearest_backward(p, current_stream(dy.device()));
  return dx;
}

}  // namespace imago::kernels
