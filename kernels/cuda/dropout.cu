// Dropout. A thread draws the words of its elements itself: one Philox block is four of them.
#include "kernels/dropout.h"

#include "kernels/cuda/device/elementwise.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Drop {
  const T* x;
  T* y;
  RandomKey key;
  float limit;
  Accumulator<T> scale;

  template <int N>
  __device__ void run(int64_t i) const {
    using A = Accumulator<T>;
    Pack<T, N> values = load_pack<N>(x + i);
    const auto keep = [&](T& value, uint32_t word) {
      value = uniform_from(word) < limit ? T(A(0)) : T(A(value) * scale);
    };
    if constexpr (N % 4 == 0) {
      for (int k = 0; k < N; k += 4) {
        const Philox4 words = random_words(key, static_cast<uint64_t>(i + k) / 4);
        for (int lane = 0; lane < 4; ++lane) keep(values.v[k + lane], words.v[lane]);
      }
    } else {  // part of a block; the choices keep its words in registers
      const Philox4 words = random_words(key, static_cast<uint64_t>(i) / 4);
      const bool upper = i & 2, odd = i & 1;
      const uint32_t even_word = upper ? words.v[2] : words.v[0], odd_word = upper ? words.v[3] : words.v[1];
      if constexpr (N == 2) keep(values.v[0], even_word), keep(values.v[1], odd_word);
      else keep(values.v[0], odd ? odd_word : even_word);
    }
    store_pack(y + i, values);
  }
};

}  // namespace

void dropout(const Dropout& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "dropout", [&]<typename T>() {
    const Drop<T> body{static_cast<const T*>(p.x), static_cast<T*>(p.y), p.key, static_cast<float>(p.p),
                       static_cast<Accumulator<T>>(1 / (1 - p.p))};
    for_each_pack<T>(p.n, stream, body, body.x, body.y);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
