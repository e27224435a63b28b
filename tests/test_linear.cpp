#include "kernels/linear.h"
#include "kernels/matmul.h"
#include "kernels/sum_rows.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape x;
  int64_t O;
};
const Case kCases[] = {{{1}, 1},         {{7}, 3},          {{1, 5}, 1},   {{3, 31}, 32},
                       {{2, 5, 33}, 17}, {{2, 3, 4, 6}, 5}, {{65, 64}, 66}};

}  // namespace

TEST_CASE("linear multiplies by the transposed weight and adds the bias", "[linear]") {
  const Tensor x = Tensor::from<double>({1, 2, 3, 4, 5, 6}, {2, 3}),
               w = Tensor::from<double>({1, 0, -1, 2, 1, 0}, {2, 3});
  const Tensor y = kernels::linear(x, w, Tensor::from<double>({10, 20}, {2}));
  CHECK(difference(y, Tensor::from<double>({8, 24, 8, 33}, {2, 2})) == 0);
  CHECK(difference(kernels::linear(x, w), Tensor::from<double>({-2, 4, -2, 13}, {2, 2})) == 0);
}

TEST_CASE("linear gradients match finite differences", "[linear][gradient]") {
  for (const auto& [shape, O] : kCases) {
    CAPTURE(shape, O);
    const Tensor x = randn(shape), w = randn({O, shape[-1]}), b = randn({O}, DType::f64, 5);
    CHECK(gradient_error([](const auto& v) { return linear(v[0], v[1], v[2]); }, {x, w, b}) <
          kGradientTolerance);
    CHECK(gradient_error([](const auto& v) { return linear(v[0], v[1]); }, {x, w}) <
          kGradientTolerance);
  }
}

TEST_CASE("linear in f32 agrees with f64", "[linear][agreement]") {
  const Tensor x = randn({5000, 40}, DType::f32), w = randn({24, 40}, DType::f32),
               b = randn({24}, DType::f32);
  const Tensor dy = randn({5000, 24}, DType::f32, 3), dy64 = dy.to(DType::f64),
               x64 = x.to(DType::f64), w64 = w.to(DType::f64);
  CHECK(difference(kernels::linear(x, w, b), kernels::linear(x64, w64, b.to(DType::f64))) <
        tolerance(DType::f32));
  const auto narrow = kernels::linear_backward(dy, x, w, 7),
             wide = kernels::linear_backward(dy64, x64, w64, 7);
  CHECK(difference(narrow.dx, wide.dx) < tolerance(DType::f32));
  CHECK(difference(narrow.dweight, wide.dweight) < tolerance(DType::f32));
  CHECK(difference(narrow.dbias, wide.dbias) < tolerance(DType::f32));
}

TEST_CASE("linear agrees with the CPU in double", "[linear][device]") {
  const Case more[] = {{{700, 40}, 24}, {{300, 16}, 3}, {{2100, 8}, 64}};  // weight gradients and biases in parts
  const auto check = [](const Case& c, DType dtype) {
    CAPTURE(c.x, c.O, dtype);
    const auto f = [](const std::vector<Variable>& v) { return linear(v[0], v[1], v[2]); };
    CHECK(disagreement(f, {randn(c.x), randn({c.O, c.x[-1]}, DType::f64, 1), randn({c.O}, DType::f64, 2)}, dtype) <
          tolerance(dtype));
  };
  for (const DType dtype : device_types()) {
    for (const Case& c : kCases) check(c, dtype);
    for (const Case& c : more) check(c, dtype);
  }
}

TEST_CASE("sum_rows adds up long columns without losing small rows", "[linear]") {
  const int64_t rows = 300001;
  const Tensor x = Tensor::full({rows, 3}, 0.1);
  CHECK(kernels::sum_rows(x).to_vector<double>()[1] ==
        Approx(0.1f * static_cast<double>(rows)).epsilon(1e-6));
  CHECK(difference(kernels::sum_rows(Tensor({0, 3})), Tensor::zeros({3})) == 0);
}

TEST_CASE("linear takes an empty batch", "[linear]") {
  const Tensor w = randn({4, 3});
  CHECK(kernels::linear(Tensor({0, 3}, DType::f64), w).shape() == Shape{0, 4});
  const auto g =
      kernels::linear_backward(Tensor({0, 4}, DType::f64), Tensor({0, 3}, DType::f64), w, 7);
  CHECK(g.dx.shape() == Shape{0, 3});
  CHECK(difference(g.dweight, Tensor::zeros({4, 3}, DType::f64)) == 0);
  CHECK(difference(g.dbias, Tensor::zeros({4}, DType::f64)) == 0);
}

TEST_CASE("linear skips gradients nobody wants", "[linear]") {
  const Variable x(randn({2, 3})), w(randn({4, 3}), true), b(randn({4}));
  linear(x, w, b).backward(randn({2, 4}));
  CHECK(w.grad().defined());
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("linear names the bad argument", "[linear][errors]") {
  const Tensor x = randn({2, 3}), w = randn({4, 3});
  CHECK_THROWS_WITH(kernels::linear(x, randn({4})), "linear: weight must be (O, I), got (4)");
  CHECK_THROWS_WITH(kernels::linear(randn({2, 5}), w), "linear: x must be (..., 3), got (2, 5)");
  CHECK_THROWS_WITH(kernels::linear(x, w, randn({3})), "linear: bias must be (4), got (3)");
  CHECK_THROWS_WITH(kernels::linear(x.to(DType::f32), w), "linear: weight must be f32, got f64");
}
