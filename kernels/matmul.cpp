#include "kernels/matmul.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

struct Extents {
  int64_t batch, M, N, K;
};

Extents check(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  IMAGO_CHECK(a.rank() >= 2, "matmul: a must be (..., M, K), got ", a.shape());
  IMAGO_CHECK(b.rank() >= 2, "matmul: b must be (..., K, N), got ", b.shape());
  IMAGO_CHECK(a.dtype() == b.dtype(), "matmul: b must be ", a.dtype(), ", got ", b.dtype());
  const bool same_batch =
      a.rank() == b.rank() && std::equal(a.shape().begin(), a.shape().end() - 2, b.shape().begin());
  IMAGO_CHECK(b.rank() == 2 || same_batch, "matmul: the leading axes of b must be those of a ",
              a.shape(), " or absent, got ", b.shape());
  const int64_t K = a.dim(options.transpose_a ? -2 : -1);
  const int64_t K_of_b = b.dim(options.transpose_b ? -1 : -2);
  IMAGO_CHECK(K == K_of_b, "matmul: the inner extents must be equal, got ", K, " of a ", a.shape(),
              " and ", K_of_b, " of b ", b.shape());
  int64_t batch = 1;
  for (int i = 0; i < a.rank() - 2; ++i) batch *= a.dim(i);
  return {batch, a.dim(options.transpose_a ? -1 : -2), b.dim(options.transpose_b ? -2 : -1), K};
}

// Where one b serves all matrices of a, the rows of a form one tall matrix; not so if each is
// transposed.
Extents folded(Extents e, const Tensor& b, const MatmulOptions& options) {
  if (b.rank() > 2 || options.transpose_a) return e;
  return {1, e.batch * e.M, e.N, e.K};
}

// The distance between the matrices of t, `size` elements each.
int64_t step(const Tensor& t, int64_t size) { return t.numel() == size ? 0 : size; }

void launch(Extents e, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
            const Tensor& bias, Tensor& c, bool wide = false) {
  const Matmul p{
      .a = a.raw(),
      .b = b.raw(),
      .bias = bias.raw(),
      .c = c.raw(),
      .batch = e.batch,
      .M = e.M,
      .N = e.N,
      .K = e.K,
      .a_step = step(a, e.M * e.K),
      .b_step = step(b, e.K * e.N),
      .c_step = step(c, e.M * e.N),
      .transpose_a = transpose_a,
      .transpose_b = transpose_b,
      .wide = wide,
      .dtype = a.dtype(),
  };
  if (c.numel()) backend_for(a.device()).matmul(p, current_stream(a.device()));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options, const Tensor& bias, bool wide) {
  const Extents e = check(a, b, options);
  IMAGO_CHECK(!bias.defined() || (bias.shape() == Shape{e.N} && bias.dtype() == a.dtype()),
              "matmul: bias must be (", e.N, ") ", a.dtype(), ", got ", bias.shape(), " ",
              bias.dtype());
  check_same_device("matmul", a, {{"b", b}, {"bias", bias}});
  Tensor y(a.shape().with(-2, e.M).with(-1, e.N), wide ? accumulator(a.dtype()) : a.dtype(), a.device());
  launch(folded(e, b, options), a, options.transpose_a, b, options.transpose_b, bias, y, wide);
  return y;
}

// y = A B with A = op(a), B = op(b) gives dA = dy B^T and dB = A^T dy; where op transposes, so are
// these.
MatmulGrads matmul_backward(const Tensor& dy, const Tensor& a, const Tensor& b,
                            const MatmulOptions& options, std::bitset<32> want) {
  const Extents all = check(a, b, options), e = folded(all, b, options);
  const Shape y_shape = a.shape().with(-2, all.M).with(-1, all.N);
  IMAGO_CHECK(dy.shape() == y_shape, "matmul_backward: dy must be ", y_shape, ", got ", dy.shape());
  check_same_device("matmul_backward", dy, {{"a", a}, {"b", b}});
  const bool ta = options.transpose_a, tb = options.transpose_b;
  MatmulGrads g;
  if (want[0]) {
    g.da = Tensor::empty_like(a);
    if (ta)
      launch({e.batch, e.K, e.M, e.N}, b, tb, dy, true, {}, g.da);
    else
      launch({e.batch, e.M, e.K, e.N}, dy, false, b, !tb, {}, g.da);
  }
  if (want[1]) {
    g.db = Tensor::empty_like(b);
    if (tb)
      launch({e.batch, e.N, e.K, e.M}, dy, true, a, ta, {}, g.db);
    else
      launch({e.batch, e.K, e.N, e.M}, a, !ta, dy, false, {}, g.db);
  }
  return g;
}

}  // namespace imago::kernels
