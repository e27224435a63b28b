// Random numbers, four to a thread: as many as one evaluation of the generator yields.
#include "kernels/fill_random.h"

#include "kernels/cuda/device/noise.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// The elements of one block of four of the key's sequence.
template <typename T, Distribution kind>
struct Fill {
  T* out;  // (n)
  int64_t n;
  RandomKey key;
  uint64_t first;
  float a, range;
  uint64_t limit;

  __device__ void operator()(int64_t thread) const {
    const uint64_t block = first / 4 + static_cast<uint64_t>(thread);
    const int64_t i = 4 * thread - static_cast<int64_t>(first % 4);
    const Philox4 words = random_words(key, block);
    Pack<float, 4> normals{};
    if constexpr (kind == Distribution::normal) normals = normals_of(words);
#pragma unroll
    for (int lane = 0; lane < 4; ++lane)
      if (i + lane >= 0 && i + lane < n) out[i + lane] = value(words.v[lane], normals.v[lane]);
  }

  __device__ __forceinline__ T value(uint32_t word, float normal) const {
    if constexpr (kind == Distribution::integer) return static_cast<T>((uint64_t{word} * limit) >> 32);
    else if constexpr (kind == Distribution::normal) return T(normal * a);
    else return T(uniform_from(word) * range + a);
  }
};

template <typename T, Distribution kind>
void launch(const RandomFill& f, Stream stream) {
  const Fill<T, kind> body{.out = static_cast<T*>(f.out),
                           .n = f.n,
                           .key = f.key,
                           .first = f.first,
                           .a = static_cast<float>(f.a),
                           .range = static_cast<float>(f.b - f.a),
                           .limit = static_cast<uint64_t>(f.a)};
  for_each(divide_up(static_cast<int64_t>(f.first % 4) + f.n, 4), stream, body);
}

}  // namespace

void fill_random(const FillRandom& p, Stream stream) {
  const RandomFill& f = p.fill;
  switch (f.distribution) {
    case Distribution::uniform:
      return visit<float, double, bfloat16>(f.dtype, "fill_uniform", [&]<typename T>() {
        launch<T, Distribution::uniform>(f, stream);
      });
    case Distribution::normal:
      return visit<float, double, bfloat16>(f.dtype, "fill_normal", [&]<typename T>() {
        launch<T, Distribution::normal>(f, stream);
      });
    case Distribution::integer:
      return visit<int32_t, int64_t>(f.dtype, "fill_integers", [&]<typename T>() {
        launch<T, Distribution::integer>(f, stream);
      });
  }
}

}  // namespace imago::kernels::IMAGO_BACKEND
