#include "kernels/batch_rows.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

void batch_rows(const BatchRows& p, Stream) {
  const int64_t step = p.key.resolved().step, epoch = step / p.per_epoch, first = step % p.per_epoch * p.N;
  const Permutation order({.seed = p.key.seed, .stream = p.key.stream, .step = static_cast<uint32_t>(epoch)}, p.M);
  for (int64_t n = 0; n < p.N; ++n) p.rows[n] = p.shuffle ? order[first + n] : first + n;
  *p.epoch = static_cast<uint32_t>(epoch);
}

}  // namespace imago::kernels::IMAGO_BACKEND
