#include "kernels/add_noise.h"

#include <algorithm>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/noise.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kTile =
    2048;  // elements: noise, x0 and two outputs stay in the first-level cache

int64_t step_of(const AddNoise& p, int64_t n) {
  return p.t_dtype == DType::i32 ? static_cast<const int32_t*>(p.t)[n]
                                 : static_cast<const int64_t*>(p.t)[n];
}

template <typename T>
void add_noise_tile(const AddNoise& p, int64_t n, int64_t begin, int64_t count) {
  T buffer[kTile];
  const T* x0 = static_cast<const T*>(p.x0) + begin;           // (count)
  const T* noise = noise_tile(p.noise, begin, count, buffer);  // (count)
  const T alpha = p.alpha[step_of(p, n)], sigma = p.sigma[step_of(p, n)];
  if (p.x_t) {
    T* x_t = static_cast<T*>(p.x_t) + begin;
    for (int64_t i = 0; i < count; ++i) x_t[i] = alpha * x0[i] + sigma * noise[i];
  }
  if (!p.target) return;
  T* target = static_cast<T*>(p.target) + begin;
  if (p.prediction == PredictionType::epsilon) {
    for (int64_t i = 0; i < count; ++i) target[i] = noise[i];
  } else {
    for (int64_t i = 0; i < count; ++i) target[i] = alpha * noise[i] - sigma * x0[i];
  }
}

}  // namespace

void add_noise(const AddNoise& p, Stream) {
  const int64_t tiles = (p.E + kTile - 1) / kTile;  // of one sample
  visit<float, double>(p.dtype, "add_noise", [&]<typename T>() {
    parallel_for(p.N * tiles, [&](int64_t task) {
      const int64_t n = task / tiles, begin = task % tiles * kTile;
      add_noise_tile<T>(p, n, n * p.E + begin, std::min(kTile, p.E - begin));
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
