#include "nn/resample.h"

namespace imago::nn {

Variable resample(const Variable& x, Resample direction) {
  switch (direction) {
    case Resample::none:
      return x;
    case Resample::down:
      return avg_pool2d(x, 2, 2);
    case Resample::up:
      return upsample_nearest(x);
  }
  return x;
}

Downsample2D::Downsample2D(const Init& init, int64_t channels, int64_t padding)
    : conv_(init, channels, channels, 3,
            {.stride = 2,
             .padding = padding == 0 ? Padding(/*top=*/0, /*bottom=*/1, /*left=*/0, /*right=*/1)
                                     : padding}) {}

Upsample2D::Upsample2D(const Init& init, int64_t channels)
    : conv_(init, channels, channels, 3, {.padding = 1}) {}

}  // namespace imago::nn
