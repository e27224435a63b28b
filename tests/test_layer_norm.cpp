#include "kernels/layer_norm.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const Shape kShapes[] = {{2}, {1, 5}, {3, 7}, {2, 5, 31}, {4, 32}, {1, 2, 3, 33}, {67, 6}};

Variable norm(const std::vector<Variable>& v) { return layer_norm(v[0], v[1], v[2]); }

}  // namespace

TEST_CASE("layer_norm gives each row zero mean and unit variance", "[layer_norm]") {
  const Tensor x = randn({3, 4, 50}), one = Tensor::full({50}, 1, DType::f64),
               zero = Tensor::zeros({50}, DType::f64);
  const std::vector<double> y = kernels::layer_norm(x, one, zero, 0).y.to_vector<double>();
  for (size_t row = 0; row < y.size(); row += 50) {
    double sum = 0, square = 0;
    for (size_t c = row; c < row + 50; ++c) sum += y[c], square += y[c] * y[c];
    CHECK(sum / 50 == Approx(0).margin(1e-12));
    CHECK(square / 50 == Approx(1).margin(1e-12));
  }
}

TEST_CASE("layer_norm gradients match finite differences", "[layer_norm][gradient]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape);
    const int64_t C = shape[-1];
    CHECK(gradient_error(norm, {randn(shape), randn({C}), randn({C}, DType::f64, 5)}) <
          kGradientTolerance);
  }
}

TEST_CASE("layer_norm in f32 agrees with f64", "[layer_norm][agreement]") {
  for (const Shape& shape : {Shape{3, 7}, {2, 5, 31}, {4, 32}, {1, 2, 3, 33}, {900, 40}}) {
    CAPTURE(shape);
    const Tensor x = randn(shape, DType::f32), w = randn({shape[-1]}, DType::f32),
                 b = randn({shape[-1]}, DType::f32, 5);
    const Tensor dy = randn(shape, DType::f32, 9), x64 = x.to(DType::f64), w64 = w.to(DType::f64);
    const auto [y, mean, rstd] = kernels::layer_norm(x, w, b);
    const auto [y64, mean64, rstd64] = kernels::layer_norm(x64, w64, b.to(DType::f64));
    CHECK(difference(y, y64) < tolerance(DType::f32));
    const auto narrow = kernels::layer_norm_backward(dy, x, w, mean, rstd, 7);
    const auto wide = kernels::layer_norm_backward(dy.to(DType::f64), x64, w64, mean64, rstd64, 7);
    CHECK(difference(narrow.dx, wide.dx) < tolerance(DType::f32));
    CHECK(difference(narrow.dweight, wide.dweight) < tolerance(DType::f32));
    CHECK(difference(narrow.dbias, wide.dbias) < tolerance(DType::f32));
  }
}

TEST_CASE("layer_norm of a device's types agrees with the CPU", "[layer_norm][agreement]") {
  for (const DType dtype : device_types())
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 7}, Shape{9, 8}, Shape{2, 5, 31}, Shape{70, 48}, Shape{3, 1001},
                               Shape{2, 4104}}) {  // the last two: a block for each row
      CAPTURE(dtype, shape);
      CHECK(disagreement(norm, {randn(shape), randn({shape[-1]}), randn({shape[-1]}, DType::f64, 5)}, dtype) <
            2 * tolerance(dtype));
    }
}

TEST_CASE("layer_norm survives a large mean", "[layer_norm]") {
  Tensor x = randn({4, 64}, DType::f32);
  for (float& v : x.span<float>()) v += 1000;
  const Tensor one = Tensor::full({64}, 1), zero = Tensor::zeros({64});
  const Tensor wide =
      kernels::layer_norm(x.to(DType::f64), one.to(DType::f64), zero.to(DType::f64)).y;
  CHECK(difference(kernels::layer_norm(x, one, zero).y, wide) <
        2e-4);  // half an ulp of 1000 is 3e-5
}

TEST_CASE("layer_norm takes an empty batch and skips gradients nobody wants", "[layer_norm]") {
  const Tensor one = Tensor::full({3}, 1);
  const auto [y, mean, rstd] = kernels::layer_norm(Tensor({0, 3}), one, one);
  const auto g = kernels::layer_norm_backward(Tensor({0, 3}), Tensor({0, 3}), one, mean, rstd, 7);
  CHECK(y.shape() == Shape{0, 3});
  CHECK(difference(g.dweight, Tensor::zeros({3})) == 0);

  const Variable x(randn({2, 6})), w(randn({6}), true), b(randn({6}));
  layer_norm(x, w, b).backward(randn({2, 6}));
  CHECK(w.grad().defined());
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("layer_norm names the bad argument", "[layer_norm][errors]") {
  const Tensor x = randn({2, 6}), w = randn({6});
  CHECK_THROWS_WITH(kernels::layer_norm(randn({}), w, w), "layer_norm: x must be (..., C), got ()");
  CHECK_THROWS_WITH(kernels::layer_norm(x, randn({5}), w),
                    "layer_norm: weight must be (6), got (5)");
  CHECK_THROWS_WITH(kernels::layer_norm(x, w, randn({1, 6})),
                    "layer_norm: bias must be (6), got (1, 6)");
  CHECK_THROWS_WITH(kernels::layer_norm(x.to(DType::f32), w, w),
                    "layer_norm: weight and bias must be f32, got f64 and f64");
}
