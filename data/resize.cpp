#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace imago::data {
namespace {

constexpr int64_t kMaxSide = 1 << 14;
// Weights are integers of this many bits behind the point. 8 bits of a pixel and 2 for sums that overshoot fit above.
constexpr int kPrecision = 32 - 8 - 2;

// What one output pixel is made of: weights[0], weights[1], ... of the source pixels from `first` on.
struct Taps {
  int64_t first;
  std::vector<int32_t> weights;
};

// The triangle filter over `in` pixels for each of `out` pixels. Where the image shrinks, the triangle is as wide as
// two output pixels.
std::vector<Taps> triangle_filter(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), reach = std::max(scale, 1.0);
  std::vector<Taps> filter;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    // PIL adds a half and cuts, which for negative numbers is not rounding. NOLINTBEGIN(bugprone-incorrect-roundings)
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(centre - reach + 0.5));
    const auto last = std::min<int64_t>(in, static_cast<int64_t>(centre + reach + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t x = first; x < last; ++x) {
      const double distance = std::abs((static_cast<double>(x) - centre + 0.5) * (1 / reach));
      weights.push_back(std::max(0.0, 1 - distance));
      sum += weights.back();
    }
    Taps taps{.first = first, .weights = {}};
    for (const double w : weights) taps.weights.push_back(static_cast<int32_t>(0.5 + w / sum * (1 << kPrecision)));
    // NOLINTEND(bugprone-incorrect-roundings)
    filter.push_back(std::move(taps));
  }
  return filter;
}

// One output byte: pixels `step` bytes apart.
uint8_t weighted(const Taps& taps, const uint8_t* first, int64_t step) {
  int32_t sum = 1 << (kPrecision - 1);
  for (size_t k = 0; k < taps.weights.size(); ++k) sum += first[static_cast<int64_t>(k) * step] * taps.weights[k];
  return static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255));
}

void check_image(const char* op, const Tensor& image) {
  const bool fits = image.rank() == 3 && image.dim(0) >= 1 && image.dim(1) >= 1 && image.dim(0) <= kMaxSide &&
                    image.dim(1) <= kMaxSide && image.dtype() == DType::u8;
  IMAGO_CHECK(fits, op, ": image must be u8 (H, W, C) with sides of 1 to ", kMaxSide, ", got ", image.dtype(), " ",
              image.shape());
}

}  // namespace

Tensor resize_bilinear(const Tensor& image, int64_t height, int64_t width) {
  check_image("resize_bilinear", image);
  IMAGO_CHECK(height >= 1 && height <= kMaxSide && width >= 1 && width <= kMaxSide,
              "resize_bilinear: height and width must be from 1 to ", kMaxSide, ", got ", height, " and ", width);
  const int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  Tensor out = image;
  if (width != W) {
    const Tensor wide = std::exchange(out, Tensor({H, width, C}, DType::u8, Device::cpu));
    const std::vector<Taps> columns = triangle_filter(W, width);
    const uint8_t* x = wide.data<uint8_t>();
    uint8_t* y = out.data<uint8_t>();
    for (int64_t row = 0; row < H; ++row)
      for (const Taps& taps : columns)
        for (int64_t c = 0; c < C; ++c) *y++ = weighted(taps, x + (row * W + taps.first) * C + c, C);
  }
  if (height != H) {
    const Tensor tall = std::exchange(out, Tensor({height, width, C}, DType::u8, Device::cpu));
    const uint8_t* x = tall.data<uint8_t>();
    uint8_t* y = out.data<uint8_t>();
    for (const Taps& taps : triangle_filter(H, height))
      for (int64_t i = 0; i < width * C; ++i) *y++ = weighted(taps, x + taps.first * width * C + i, width * C);
  }
  return out;
}

Tensor crop(const Tensor& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  check_image("crop", image);
  const int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  IMAGO_CHECK(top >= 0 && left >= 0 && height >= 1 && width >= 1 && height <= H - top && width <= W - left,
              "crop: rows ", top, " to ", top + height, " and columns ", left, " to ", left + width, " are not in ",
              image.shape());
  Tensor out({height, width, C}, DType::u8, Device::cpu);
  for (int64_t y = 0; y < height; ++y)
    std::memcpy(out.data<uint8_t>() + y * width * C, image.data<uint8_t>() + ((top + y) * W + left) * C,
                static_cast<size_t>(width * C));
  return out;
}

Tensor fit_square(const Tensor& image, int64_t resolution, Fit fit) {
  check_image("fit_square", image);
  if (fit == Fit::squeeze) return resize_bilinear(image, resolution, resolution);
  const int64_t H = image.dim(0), W = image.dim(1), shorter = std::min(H, W);
  // The long side is rounded down, and what is cut off at the left and at the top to the nearest, half to even.
  const Tensor scaled = resize_bilinear(image, H == shorter ? resolution : resolution * H / shorter,
                                        W == shorter ? resolution : resolution * W / shorter);
  const auto margin = [&](int axis) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(scaled.dim(axis) - resolution) / 2));
  };
  return crop(scaled, margin(0), margin(1), resolution, resolution);
}

}  // namespace imago::data
