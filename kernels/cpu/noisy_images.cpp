// A task owns a tile of one image: its pixels are gathered into a buffer, and add_noise's arithmetic runs over that.
#include "kernels/noisy_images.h"

#include <algorithm>

#include "kernels/cpu/noise.h"
#include "kernels/cpu/noisy_tile.h"
#include "kernels/cpu/picked_pixels.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
void noisy_images_tile(const NoisyImages& p, const float* values, int64_t n, int64_t begin, int64_t count) {
  T x0[kNoisyTile], buffer[kNoisyTile];
  const int64_t step = step_at(p.t, p.t_dtype, n), at = n * p.x0.out_H * p.x0.out_W * p.x0.C + begin;
  picked_pixels(p.x0, n, values, begin, count, x0);
  noisy_tile<T>(p.alpha[step], p.sigma[step], p.prediction, x0, noise_tile(p.noise, at, count, buffer),
                static_cast<T*>(p.x_t) + at, p.target ? static_cast<T*>(p.target) + at : nullptr, count);
}

}  // namespace

void noisy_images(const NoisyImages& p, Stream) {
  const int64_t E = p.x0.out_H * p.x0.out_W * p.x0.C, tiles = (E + kNoisyTile - 1) / kNoisyTile;  // of one image
  float values[256];
  for (int b = 0; b < 256; ++b) values[b] = symmetric_pixel(static_cast<uint8_t>(b));
  visit<float, double>(p.dtype, "noisy_images", [&]<typename T>() {
    parallel_for(p.x0.N * tiles, [&](int64_t task) {
      const int64_t n = task / tiles, begin = task % tiles * kNoisyTile;
      noisy_images_tile<T>(p, values, n, begin, std::min(kNoisyTile, E - begin));
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
