// A task owns a tile of one image: its pixels are gathered into a buffer, and add_noise's arithmetic runs over that.
#include "kernels/noisy_images.h"

#include <algorithm>

#include "kernels/cpu/noise.h"
#include "kernels/cpu/noisy_tile.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// Elements [begin, begin + count) of padded image m, scaled: values is what each byte becomes.
template <typename T>
void gather_pixels(const NoisyImages& p, int64_t m, bool mirror, const float* values, int64_t begin, int64_t count,
                   T* out) {
  const uint8_t* image = p.images + m * p.H * p.W * p.C;
  const int64_t top = (p.out_H - p.H) / 2, left = (p.out_W - p.W) / 2, row = p.out_W * p.C;
  for (int64_t i = begin; i < begin + count; ++i) {
    const int64_t y = i / row - top, x = i % row / p.C - left, c = i % p.C;
    const bool inside = y >= 0 && y < p.H && x >= 0 && x < p.W;
    const uint8_t byte = inside ? image[(y * p.W + (mirror ? p.W - 1 - x : x)) * p.C + c] : uint8_t{0};
    *out++ = static_cast<T>(values[byte]);
  }
}

template <typename T>
void noisy_images_tile(const NoisyImages& p, const float* values, int64_t n, int64_t begin, int64_t count) {
  T x0[kNoisyTile], buffer[kNoisyTile];
  const int64_t m = p.rows[n], step = step_at(p.t, p.t_dtype, n), at = n * p.out_H * p.out_W * p.C + begin;
  gather_pixels(p, m, p.flip && uniform_at(p.flips, static_cast<uint64_t>(m)) < 0.5f, values, begin, count, x0);
  noisy_tile<T>(p.alpha[step], p.sigma[step], p.prediction, x0, noise_tile(p.noise, at, count, buffer),
                static_cast<T*>(p.x_t) + at, p.target ? static_cast<T*>(p.target) + at : nullptr, count);
}

}  // namespace

void noisy_images(const NoisyImages& p, Stream) {
  const int64_t E = p.out_H * p.out_W * p.C, tiles = (E + kNoisyTile - 1) / kNoisyTile;  // of one image
  float values[256];
  for (int b = 0; b < 256; ++b) values[b] = symmetric_pixel(static_cast<uint8_t>(b));
  visit<float, double>(p.dtype, "noisy_images", [&]<typename T>() {
    parallel_for(p.N * tiles, [&](int64_t task) {
      const int64_t n = task / tiles, begin = task % tiles * kNoisyTile;
      noisy_images_tile<T>(p, values, n, begin, std::min(kNoisyTile, E - begin));
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
