// Both directions are one permutation of six axes.
#include "kernels/pixel_shuffle.h"

#include "kernels/permute.h"

namespace imago::kernels {

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  IMAGO_CHECK(x.rank() == 4, "pixel_unshuffle: x must be (N, H, W, C), got ", x.shape());
  IMAGO_CHECK(r > 0 && x.dim(1) % r == 0 && x.dim(2) % r == 0, "pixel_unshuffle: ", x.shape(),
              " does not split into blocks of ", r, " x ", r);
  const int64_t N = x.dim(0), H = x.dim(1) / r, W = x.dim(2) / r, C = x.dim(3);
  const int order[] = {0, 1, 3, 5, 2, 4};  // (N, H, row, W, column, C) -> (N, H, W, C, row, column)
  return permute(x.reshape({N, H, r, W, r, C}), order).reshape({N, H, W, C * r * r});
}

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  IMAGO_CHECK(x.rank() == 4, "pixel_shuffle: x must be (N, H, W, C), got ", x.shape());
  IMAGO_CHECK(r > 0 && x.dim(3) % (r * r) == 0, "pixel_shuffle: the channels of ", x.shape(),
              " do not split into blocks of ", r, " x ", r);
  const int64_t N = x.dim(0), H = x.dim(1), W = x.dim(2), C = x.dim(3) / (r * r);
  const int order[] = {0, 1, 4, 2, 5, 3};  // (N, H, W, C, row, column) -> (N, H, row, W, column, C)
  return permute(x.reshape({N, H, W, C, r, r}), order).reshape({N, H * r, W * r, C});
}

}  // namespace imago::kernels
