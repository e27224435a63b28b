#include "kernels/fill_random.h"

#include "kernels/backend.h"

namespace imago::kernels {
namespace {

void fill(const char* op, Tensor& out, const RandomKey& key, uint64_t first, Distribution distribution, double a,
          double b) {
  IMAGO_CHECK(out.defined(), op, ": the tensor is undefined");
  const bool fits = distribution == Distribution::integer ? out.dtype() == DType::i32 || out.dtype() == DType::i64
                                                          : is_floating(out.dtype());
  IMAGO_CHECK(fits, op, ": no kernel for ", out.dtype());
  out.bump_version();
  if (out.numel() == 0) return;
  const RandomFill p{.out = out.raw(),
                     .n = out.numel(),
                     .key = key,
                     .first = first,
                     .distribution = distribution,
                     .a = a,
                     .b = b,
                     .dtype = out.dtype()};
  backend_for(out.device()).fill_random({p}, current_stream(out.device()));
}

}  // namespace

void fill_uniform(Tensor& out, const RandomKey& key, double low, double high, uint64_t first) {
  fill("fill_uniform", out, key, first, Distribution::uniform, low, high);
}

void fill_normal(Tensor& out, const RandomKey& key, double stddev, uint64_t first) {
  fill("fill_normal", out, key, first, Distribution::normal, stddev, 0);
}

void fill_integers(Tensor& out, const RandomKey& key, int64_t n, uint64_t first) {
  IMAGO_CHECK(n >= 1 && n <= int64_t{1} << 31, "fill_integers: n must be in [1, 2^31], got ", n);
  fill("fill_integers", out, key, first, Distribution::integer, static_cast<double>(n), 0);
}

}  // namespace imago::kernels
