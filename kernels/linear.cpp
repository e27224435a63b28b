#include "kernels/linear.h"

#include "kernels/matmul.h"
#include "kernels/sum_rows.h"

namespace imago::kernels {
namespace {

// (..., C) as a matrix.
Tensor rows_of(const Tensor& x) {
  return x.reshape(Shape{x.numel() / std::max<int64_t>(1, x.dim(-1)), x.dim(-1)});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  IMAGO_CHECK(weight.rank() == 2, "linear: weight must be (O, I), got ", weight.shape());
  const int64_t O = weight.dim(0), I = weight.dim(1);
  IMAGO_CHECK(x.rank() >= 1 && x.dim(-1) == I, "linear: x must be (..., ", I, "), got ", x.shape());
  IMAGO_CHECK(!bias.defined() || bias.shape() == Shape{O}, "linear: bias must be (", O, "), got ",
              bias.shape());
  IMAGO_CHECK(weight.dtype() == x.dtype(), "linear: weight must be ", x.dtype(), ", got ",
              weight.dtype());
  IMAGO_CHECK(!bias.defined() || bias.dtype() == x.dtype(), "linear: bias must be ", x.dtype(),
              ", got ", bias.dtype());
  return matmul(rows_of(x), weight, {.transpose_b = true}, bias).reshape(x.shape().with(-1, O));
}

LinearGrads linear_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                            std::bitset<32> want) {
  const Shape y_shape = x.shape().with(-1, weight.dim(0));
  IMAGO_CHECK(dy.shape() == y_shape, "linear_backward: dy must be ", y_shape, ", got ", dy.shape());
  LinearGrads g;
  if (want[0]) g.dx = matmul(rows_of(dy), weight).reshape(x.shape());
  if (want[1]) g.dweight = matmul(rows_of(dy), rows_of(x), {.transpose_a = true}, {}, /*wide=*/true);
  if (want[2]) g.dbias = sum_rows(dy);
  return g;
}

}  // namespace imago::kernels
