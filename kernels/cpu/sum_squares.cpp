#include "kernels/sum_squares.h"

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;
constexpr int kSums = 16;  // running sums side by side, the same number for every vector width

// The square of a float is exact in double, so fused multiply-add changes nothing.
template <typename T>
double sum_chunk(const T* x, int64_t n) {
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int k = 0; k < kSums; ++k)
      sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  for (int k = 0; i < n; ++i, ++k) sums[k] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (int k = 0; k < kSums; ++k) total += sums[k];
  return total;
}

}  // namespace

void sum_squares(const SumSquares& p, Stream) {
  const int64_t chunks = (p.n + kGrain - 1) / kGrain;
  const Scratch<double> partial(chunks);
  double* sums = partial.get();  // (chunks)
  visit<float, double>(p.dtype, "sum_squares", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    parallel_chunks(p.n, kGrain, [=](int64_t begin, int64_t end) {
      sums[begin / kGrain] = sum_chunk(x + begin, end - begin);
    });
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total += sums[i];
  *p.y = total;
}

}  // namespace imago::kernels::IMAGO_BACKEND
