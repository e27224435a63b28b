// Dropout. The random words of a batch of Philox blocks are drawn first, in a loop of its own that vectorises.
#include "kernels/dropout.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kBlocks = 64;       // Philox blocks, of four words each, that are drawn together
constexpr int64_t kGrain = 1 << 14;  // elements of one task, a multiple of 4 * kBlocks

template <typename T>
void forward(const Dropout& p) {
  const T scale = static_cast<T>(1 / (1 - p.p));
  const float limit = static_cast<float>(p.p);
  const RandomKey key = p.key.resolved();
  parallel_chunks(p.n, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4 * kBlocks) {
      const T* x = static_cast<const T*>(p.x) + i;
      T* y = static_cast<T*>(p.y) + i;
      uint32_t words[4 * kBlocks];
      for (int64_t k = 0; k < kBlocks; ++k) {
        const Philox4 w = resolved_words(key, static_cast<uint64_t>(i / 4 + k));
        for (int64_t lane = 0; lane < 4; ++lane) words[4 * k + lane] = w.v[lane];
      }
      const int64_t count = std::min(4 * kBlocks, end - i);
      for (int64_t k = 0; k < count; ++k) y[k] = uniform_from(words[k]) < limit ? T(0) : x[k] * scale;
    }
  });
}

}  // namespace

void dropout(const Dropout& p, Stream) {
  visit<float, double>(p.dtype, "dropout", [&]<typename T>() { forward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
