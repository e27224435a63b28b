// A thread finds the row of one image of the batch, and the numbers of the permutation for itself.
#include "kernels/batch_rows.h"

#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

struct Rows {
  BatchRows p;

  __device__ void operator()(int64_t n) const {
    const int64_t step = p.key.resolved().step, epoch = step / p.per_epoch, first = step % p.per_epoch * p.N;
    int64_t row = first + n;
    if (p.shuffle) {
      const RandomKey key{p.key.seed, p.key.stream, static_cast<uint32_t>(epoch), nullptr};
      row = Permutation(key, p.M)[row];
    }
    p.rows[n] = row;
    if (n == 0) *p.epoch = static_cast<uint32_t>(epoch);
  }
};

}  // namespace

void batch_rows(const BatchRows& p, Stream stream) { for_each(p.N, stream, Rows{p}); }

}  // namespace imago::kernels::IMAGO_BACKEND
