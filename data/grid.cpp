#include "data/grid.h"

#include <cmath>
#include <cstring>

namespace imago::data {
namespace {

int64_t columns_of(int64_t N, const GridOptions& options) {
  return options.columns ? options.columns : static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(N))));
}

}  // namespace

Shape grid_shape(const Shape& images, const GridOptions& options) {
  IMAGO_CHECK(images.rank() == 4 && images[0] >= 1, "image_grid: images must be (N, H, W, C) with N >= 1, got ",
              images);
  const auto [columns_wanted, border, scale, background] = options;
  IMAGO_CHECK(columns_wanted >= 0 && border >= 0 && scale >= 1,
              "image_grid: columns and border must be >= 0 and upscale >= 1, got ", columns_wanted,
              ", ", border, " and ", scale);
  const int64_t columns = columns_of(images[0], options), rows = (images[0] + columns - 1) / columns;
  return {border + rows * (images[1] * scale + border), border + columns * (images[2] * scale + border), images[3]};
}

Tensor image_grid(const Tensor& images, const GridOptions& options) {
  IMAGO_CHECK(images.dtype() == DType::u8, "image_grid: images must be u8, got ", images.dtype());
  Tensor out = Tensor::full(grid_shape(images.shape(), options), options.background, DType::u8, Device::cpu);
  const int64_t N = images.dim(0), H = images.dim(1), W = images.dim(2), C = images.dim(3);
  const int64_t columns = columns_of(N, options), border = options.border, scale = options.upscale;
  const int64_t cell_h = H * scale + border, cell_w = W * scale + border;

  const int64_t width = out.dim(1);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t y = 0; y < H * scale; ++y) {
      const uint8_t* source = images.data<uint8_t>() + (n * H + y / scale) * W * C;
      const int64_t top = border + n / columns * cell_h + y, left = border + n % columns * cell_w;
      uint8_t* target = out.data<uint8_t>() + (top * width + left) * C;
      for (int64_t x = 0; x < W * scale; ++x)
        std::memcpy(target + x * C, source + x / scale * C, static_cast<size_t>(C));
    }
  return out;
}

}  // namespace imago::data
