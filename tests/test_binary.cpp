#include "kernels/binary.h"

#include <array>

#include "kernels/scale.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const BinaryOp kOps[] = {BinaryOp::add, BinaryOp::sub, BinaryOp::mul, BinaryOp::div};

struct Case {
  Shape a, b, y;
};
const Case kCases[] = {
    {{}, {}, {}},
    {{1}, {1, 1}, {1, 1}},
    {{31}, {31}, {31}},
    {{2, 3, 5, 7}, {2, 3, 5, 7}, {2, 3, 5, 7}},
    {{2, 3, 5, 33}, {33}, {2, 3, 5, 33}},
    {{33}, {2, 3, 5, 33}, {2, 3, 5, 33}},
    {{2, 3, 5, 7}, {}, {2, 3, 5, 7}},
    {{3, 4, 4, 8}, {3, 1, 1, 8}, {3, 4, 4, 8}},
    {{3, 1, 1, 1}, {3, 4, 4, 8}, {3, 4, 4, 8}},
    {{2, 4, 5, 1}, {2, 4, 5, 31}, {2, 4, 5, 31}},
    {{1, 5}, {3, 1}, {3, 5}},
    {{2, 1, 3, 1, 5, 1}, {1, 7, 1, 2, 1, 3}, {2, 7, 3, 2, 5, 3}},
    {{129, 1, 257}, {63, 1}, {129, 63, 257}},
};

double apply(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: return a / b;
  }
  return NAN;
}

// Element i of a tensor of `shape` as element k of `y`, which it is broadcast to: by the
// definition, one axis at a time.
int64_t source(const Shape& y, const Shape& shape, int64_t k) {
  int64_t offset = 0, stride = 1;
  for (int i = y.rank() - 1, j = shape.rank() - 1; i >= 0; --i, --j) {
    const int64_t index = k % y[i];
    k /= y[i];
    if (j < 0) continue;
    offset += shape[j] == 1 ? 0 : index * stride;
    stride *= shape[j];
  }
  return offset;
}

Tensor away_from_zero(const Shape& shape) {
  Tensor x = randn(shape, DType::f64, 4);
  for (double& v : x.span<double>()) v += v < 0 ? -0.5 : 0.5;
  return x;
}

}  // namespace

TEST_CASE("binary broadcasts as defined", "[binary]") {
  for (const BinaryOp op : kOps)
    for (const auto& [a_shape, b_shape, y_shape] : kCases)
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(kernels::name_of(op), a_shape, b_shape, dtype);
        const Tensor a = randn(a_shape, dtype), b = away_from_zero(b_shape).to(dtype);
        const Tensor y = kernels::binary(op, a, b);
        REQUIRE(y.shape() == y_shape);
        const std::vector<double> x0 = a.to_vector<double>(), x1 = b.to_vector<double>();
        Tensor want(y_shape, DType::f64);
        double* const out = want.data<double>();
        for (int64_t k = 0; k < want.numel(); ++k)
          out[k] = apply(op, x0[static_cast<size_t>(source(y_shape, a_shape, k))],
                                         x1[static_cast<size_t>(source(y_shape, b_shape, k))]);
        CHECK(difference(y, want) <= (dtype == DType::f64 ? 0 : 1e-7));
      }
}

TEST_CASE("binary gradients match finite differences", "[binary][gradient]") {
  for (const BinaryOp op : kOps)
    for (const Case& c : kCases) {
      if (c.y.numel() > 10000) continue;
      CAPTURE(kernels::name_of(op), c.a, c.b);
      const auto f = [&](const std::vector<Variable>& v) { return binary(op, v[0], v[1]); };
      CHECK(gradient_error(f, {randn(c.a), away_from_zero(c.b)}) < kGradientTolerance);
    }
}

TEST_CASE("binary of a device's types agrees with the CPU", "[binary][agreement]") {
  const Case cases[] = {{{64}, {64}, {64}},
                        {{2, 5, 16}, {16}, {2, 5, 16}},
                        {{3, 4, 4, 24}, {3, 1, 1, 24}, {3, 4, 4, 24}},
                        {{3, 1, 1, 1}, {3, 2, 2, 8}, {3, 2, 2, 8}},
                        {{5, 8, 1}, {5, 8, 32}, {5, 8, 32}},
                        {{13}, {}, {13}},
                        {{4, 1, 3, 1}, {2, 1, 16}, {4, 2, 3, 16}}};
  for (const DType dtype : device_types())
    for (const BinaryOp op : kOps)
      for (const Case& c : cases) {
        CAPTURE(kernels::name_of(op), c.a, c.b, dtype);
        const auto f = [&](const std::vector<Variable>& v) { return 0.5 * binary(op, v[0], v[1]) + 1; };
        CHECK(disagreement(f, {randn(c.a), away_from_zero(c.b)}, dtype) < tolerance(dtype));
      }
}

TEST_CASE("binary gradients are right where both operands are one", "[binary][gradient]") {
  for (const BinaryOp op : kOps) {
    CAPTURE(kernels::name_of(op));
    const auto f = [&](const std::vector<Variable>& v) { return binary(op, v[0], v[0]) + v[0]; };
    CHECK(gradient_error(f, {away_from_zero({2, 3, 4})}) < kGradientTolerance);
  }
}

TEST_CASE("the gradient of a quotient survives divisors whose square does not", "[binary][gradient]") {
  for (const auto& [a, b, slope] : {std::array{1e-300, 1e-200, -1e100}, std::array{1e300, 1e200, -1e-100}}) {
    const Variable divisor(Tensor::full({1}, b, DType::f64), true);
    (Variable(Tensor::full({1}, a, DType::f64)) / divisor).backward();
    CHECK(divisor.grad().item() == Approx(slope));
  }
}

TEST_CASE("binary skips gradients nobody wants", "[binary]") {
  for (const BinaryOp op : kOps) {
    CAPTURE(kernels::name_of(op));
    const Variable a(randn({2, 3}), true), b(away_from_zero({3})), c(away_from_zero({2, 3}), true);
    binary(op, a, b).backward(randn({2, 3}));
    CHECK(a.grad().defined());
    CHECK_FALSE(b.grad().defined());
    binary(op, b, c).backward(randn({2, 3}));
    CHECK(c.grad().defined());
    CHECK_FALSE(b.grad().defined());
  }
}

TEST_CASE("binary works on empty batches", "[binary]") {
  const Variable x(Tensor({0, 4, 8}), true), b(randn({8}, DType::f32), true);
  (x + b).backward(Tensor({0, 4, 8}));
  CHECK(x.grad().shape() == Shape{0, 4, 8});
  CHECK(difference(b.grad(), Tensor::zeros({8})) == 0);
}

TEST_CASE("binary names the bad argument", "[binary][errors]") {
  CHECK_THROWS_WITH(kernels::binary(BinaryOp::add, randn({2, 3}), randn({4})),
                    "add: shapes (2, 3) and (4) do not broadcast");
  CHECK_THROWS_WITH(kernels::binary(BinaryOp::div, randn({2}), randn({2}, DType::f32)), "div: b must be f64, got f32");
}

TEST_CASE("scale is factor * x + offset", "[scale]") {
  for (const Shape& shape : {Shape{}, Shape{31}, Shape{3, 5, 7, 33}, Shape{0, 3}}) {
    CAPTURE(shape);
    const Tensor x = randn(shape);
    Tensor want = x.clone();
    for (double& v : want.span<double>()) v = -2.5 * v + 3;
    CHECK(difference(kernels::scale(x, -2.5, 3), want) < 1e-15);
    CHECK(difference(kernels::scale(x.to(DType::f32), -2.5, 3), want) < tolerance(DType::f32));
    const auto f = [](const std::vector<Variable>& v) { return 2 * (1.5 * v[0] - 4) + 3 - -v[0]; };
    CHECK(gradient_error(f, {x}) < kGradientTolerance);
  }
}
