#include "kernels/non_finite.h"

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {

void count_non_finite(const CountNonFinite& p, Stream) {
  constexpr int64_t kGrain = 1 << 14;
  const int64_t chunks = (p.n + kGrain - 1) / kGrain;
  const Scratch<double> partial(chunks);
  double* counts = partial.get();  // (chunks)
  visit<float, double>(p.dtype, "count_non_finite", [&]<typename T>() {
    const T* x = static_cast<const T*>(p.x);
    parallel_chunks(p.n, kGrain, [=](int64_t begin, int64_t end) {
      double count = 0;
      for (int64_t i = begin; i < end; ++i) count += non_finite(x[i]);
      counts[begin / kGrain] = count;
    });
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total += counts[i];
  *p.y = total;
}

}  // namespace imago::kernels::IMAGO_BACKEND
