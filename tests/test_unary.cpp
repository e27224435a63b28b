#include "kernels/unary.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  UnaryOp op;
  double (*exact)(double);
  double low, high;  // where it is compared with the exact function in f32
};

double cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

const Case kCases[] = {
    {UnaryOp::silu, [](double x) { return x / (1 + std::exp(-x)); }, -30, 30},
    {UnaryOp::gelu, [](double x) { return x * cdf(x); }, -12, 12},
    {UnaryOp::relu, [](double x) { return std::max(x, 0.0); }, -5, 5},
    {UnaryOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -30, 30},
    {UnaryOp::tanh, [](double x) { return std::tanh(x); }, -12, 12},
    {UnaryOp::mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }, -30, 30},
    {UnaryOp::exp, [](double x) { return std::exp(x); }, -80, 80},
    {UnaryOp::sqrt, [](double x) { return std::sqrt(x); }, 0, 100},
};

const Shape kShapes[] = {{}, {1}, {31}, {2, 3, 5, 7}, {33, 1001}};

// Values that op is smooth at: away from relu's corner, positive for sqrt.
Tensor smooth(const Shape& shape, UnaryOp op) {
  Tensor x = randn(shape);
  for (double& v : x.span<double>()) {
    if (op == UnaryOp::sqrt) v = std::abs(v) + 0.1;
    if (op == UnaryOp::relu) v += v < 0 ? -0.1 : 0.1;
  }
  return x;
}

}  // namespace

TEST_CASE("unary functions in f32 are exact to 1e-6", "[unary]") {
  for (const auto& [op, exact, low, high] : kCases) {
    CAPTURE(kernels::name_of(op));
    Tensor x({100003});
    fill_uniform(x, {.seed = 3}, low, high);
    const Tensor y = kernels::unary(op, x);
    double worst = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
      const double want = exact(x.data<float>()[i]);
      worst = std::max(worst, std::abs(y.data<float>()[i] - want) / std::max(1.0, std::abs(want)));
    }
    CHECK(worst < 1e-6);
  }
}

TEST_CASE("unary functions in f64 are exact", "[unary]") {
  for (const auto& [op, exact, low, high] : kCases) {
    CAPTURE(kernels::name_of(op));
    for (const double x : {low, low / 3, 0.0, 0.01, high / 3, high}) {
      CAPTURE(x);
      CHECK(kernels::unary(op, Tensor::full({3}, x, DType::f64)).to_vector<double>()[2] ==
            Approx(exact(x)).epsilon(1e-12).margin(1e-300));
    }
  }
}

TEST_CASE("unary functions stay finite where their limits are", "[unary]") {
  for (const UnaryOp op : {UnaryOp::silu, UnaryOp::gelu, UnaryOp::relu, UnaryOp::mish})
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(kernels::name_of(op), dtype);
      const Tensor x = Tensor::from<double>({-1e30, -1000, 1000, 1e30}, {4}).to(dtype);
      const std::vector<double> y = kernels::unary(op, x).to_vector<double>();
      CHECK(std::abs(y[0]) < 1e-6);
      CHECK(std::abs(y[1]) < 1e-30);
      CHECK(y[2] == 1000);
      CHECK(y[3] == Approx(1e30));
      const std::vector<double> dx = kernels::unary_backward(op, Tensor::full({4}, 1, dtype), x).to_vector<double>();
      CHECK(std::abs(dx[1]) < 1e-30);
      CHECK(dx[2] == 1);
      CHECK(dx[3] == 1);
    }
}

TEST_CASE("unary functions keep NaN", "[unary]") {
  for (const Case& c : kCases) {
    CAPTURE(kernels::name_of(c.op));
    CHECK(std::isnan(kernels::unary(c.op, Tensor::full({9}, NAN)).to_vector<double>()[0]));
  }
}

TEST_CASE("unary gradients match finite differences", "[unary][gradient]") {
  for (const Case& c : kCases)
    for (const Shape& shape : kShapes) {
      CAPTURE(kernels::name_of(c.op), shape);
      const auto f = [&](const std::vector<Variable>& v) { return unary(c.op, v[0]); };
      CHECK(gradient_error(f, {smooth(shape, c.op)}) < kGradientTolerance);
    }
}

TEST_CASE("unary in f32 agrees with f64", "[unary][agreement]") {
  for (const Case& c : kCases)
    for (const Shape& shape : kShapes) {
      CAPTURE(kernels::name_of(c.op), shape);
      const Tensor x = smooth(shape, c.op).to(DType::f32), dy = randn(shape, DType::f32, 9);
      const Tensor x64 = x.to(DType::f64), dy64 = dy.to(DType::f64);
      CHECK(difference(kernels::unary(c.op, x), kernels::unary(c.op, x64)) < tolerance(DType::f32));
      CHECK(difference(kernels::unary_backward(c.op, dy, x), kernels::unary_backward(c.op, dy64, x64)) <
            tolerance(DType::f32));
    }
}

TEST_CASE("unary of nothing is nothing", "[unary]") {
  const Variable x(Tensor({0, 4, 4, 8}), true);
  silu(x).backward(Tensor({0, 4, 4, 8}));
  CHECK(x.grad().shape() == Shape{0, 4, 4, 8});
}

TEST_CASE("unary names the bad argument", "[unary][errors]") {
  CHECK_THROWS_WITH(kernels::unary(UnaryOp::mish, Tensor::zeros({3}, DType::i64)),
                    "mish: x must be floating point, got i64");
  CHECK_THROWS_WITH(kernels::unary(UnaryOp::silu, Tensor()), "silu: x must be floating point, got nothing");
  CHECK_THROWS_WITH(kernels::unary_backward(UnaryOp::silu, randn({3}), randn({4})),
                    "silu_backward: dy must be (4) f64, got (3) f64");
}
