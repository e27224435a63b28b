#include "kernels/add_noise.h"

#include <algorithm>

#include "kernels/cpu/noise.h"
#include "kernels/cpu/noisy_tile.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
void add_noise_tile(const AddNoise& p, int64_t n, int64_t begin, int64_t count) {
  T buffer[kNoisyTile];
  const T* x0 = static_cast<const T*>(p.x0) + begin;           // (count)
  const T* noise = noise_tile(p.noise, begin, count, buffer);  // (count)
  const int64_t step = step_at(p.t, p.t_dtype, n);
  noisy_tile<T>(p.alpha[step], p.sigma[step], p.prediction, x0, noise,
                p.x_t ? static_cast<T*>(p.x_t) + begin : nullptr,
                p.target ? static_cast<T*>(p.target) + begin : nullptr, count);
}

}  // namespace

void add_noise(const AddNoise& p, Stream) {
  const int64_t tiles = (p.E + kNoisyTile - 1) / kNoisyTile;  // of one sample
  visit<float, double>(p.dtype, "add_noise", [&]<typename T>() {
    parallel_for(p.N * tiles, [&](int64_t task) {
      const int64_t n = task / tiles, begin = task % tiles * kNoisyTile;
      add_noise_tile<T>(p, n, n * p.E + begin, std::min(kNoisyTile, p.E - begin));
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
