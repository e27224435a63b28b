#include "kernels/softmax.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const Shape kShapes[] = {{1},     {5},       {1, 7},       {3, 31}, {2, 3, 32},
                         {4, 33}, {2, 1000}, {1, 2, 3, 4}, {3, 1}};

}  // namespace

TEST_CASE("softmax rows are positive, add up to one, and keep the ratios", "[softmax]") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const Shape& shape : kShapes) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape, dtype);
      const std::vector<double> in = x.to_vector<double>(),
                                y = kernels::softmax(x).to_vector<double>();
      const size_t C = static_cast<size_t>(shape[-1]);
      for (size_t row = 0; row < y.size(); row += C) {
        double sum = 0, gap = 0;
        for (size_t c = row; c < row + C; ++c) {
          sum += y[c];
          gap = std::max(gap, std::abs(std::log(y[c] / y[row]) - (in[c] - in[row])));
        }
        CHECK(sum == Approx(1).epsilon(1e-6));
        CHECK(gap < tolerance(dtype));
      }
    }
}

TEST_CASE("softmax does not overflow", "[softmax]") {
  const Tensor y = kernels::softmax(Tensor::from<float>({1000, 1000, -1000, -INFINITY}, {4}));
  CHECK(difference(y, Tensor::from<float>({0.5f, 0.5f, 0, 0}, {4})) < 1e-7);
}

TEST_CASE("softmax gradients match finite differences", "[softmax][gradient]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape);
    CHECK(gradient_error([](const auto& v) { return softmax(v[0]); }, {randn(shape)}) <
          kGradientTolerance);
  }
}

TEST_CASE("softmax in f32 agrees with f64", "[softmax][agreement]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape);
    const Tensor x = randn(shape, DType::f32), dy = randn(shape, DType::f32, 3);
    const Tensor y = kernels::softmax(x), wide = kernels::softmax(x.to(DType::f64));
    CHECK(difference(y, wide) < 1e-6);
    CHECK(difference(kernels::softmax_backward(dy, y),
                     kernels::softmax_backward(dy.to(DType::f64), wide)) < 1e-6);
  }
}

TEST_CASE("softmax agrees with the CPU in double", "[softmax][device]") {
  const auto check = [](const Shape& shape, DType dtype) {
    CAPTURE(shape, dtype);
    CHECK(disagreement([](const auto& v) { return softmax(v[0]); }, {randn(shape)}, dtype) < tolerance(dtype));
  };
  for (const DType dtype : device_types()) {
    for (const Shape& shape : kShapes) check(shape, dtype);
    for (const Shape& shape : {Shape{17, 40}, Shape{2, 2304}, Shape{3, 2501}}) check(shape, dtype);
  }
}

TEST_CASE("softmax takes empty tensors and refuses scalars", "[softmax][errors]") {
  CHECK(kernels::softmax(Tensor({0, 3})).shape() == Shape{0, 3});
  CHECK(kernels::softmax(Tensor({3, 0})).shape() == Shape{3, 0});
  CHECK_THROWS_WITH(kernels::softmax(Tensor::zeros({})), "softmax: x must be (..., C), got ()");
}
