#include "nn/resample.h"

namespace imago::nn {
namespace {

// The mean of every 2 x 2 square: one row and one column less.
Variable blur(const Variable& x) { return avg_pool2d(x, 2, 1); }

}  // namespace

// (1, 3, 3, 1) / 8 is (1, 1) / 2 three times over, so each filter is three means of squares: the
// last mean on the way down takes every second square, the first one on the way up is that of
// nearest neighbours.
Variable resample(const Variable& x, Resample direction) {
  switch (direction) {
    case Resample::none:
      return x;
    case Resample::down:
      return avg_pool2d(x, 2, 2);
    case Resample::up:
      return upsample_nearest(x);
    case Resample::fir_down:
      return avg_pool2d(blur(blur(pad(x, 1))), 2, 2);
    case Resample::fir_up:
      return blur(blur(pad(upsample_nearest(x), 1)));
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
