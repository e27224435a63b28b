#include "kernels/upsample_nearest.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const Shape kShapes[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 4, 4, 32}, {1, 7, 2, 33}, {2, 31, 33, 3}};

}  // namespace

TEST_CASE("upsample_nearest repeats every pixel four times", "[upsample_nearest]") {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape, dtype), y = kernels::upsample_nearest(x);
      const int64_t H = shape[1], W = shape[2], C = shape[3];
      REQUIRE(y.shape() == Shape{shape[0], 2 * H, 2 * W, C});
      const std::vector<double> from = x.to_vector<double>(), to = y.to_vector<double>();
      bool equal = true;
      for (int64_t k = 0; k < y.numel(); ++k) {
        const int64_t c = k % C, w = k / C % (2 * W), h = k / C / (2 * W) % (2 * H), n = k / C / (2 * W) / (2 * H);
        equal &= to[static_cast<size_t>(k)] == from[static_cast<size_t>(((n * H + h / 2) * W + w / 2) * C + c)];
      }
      CHECK(equal);
    }
}

TEST_CASE("upsample_nearest gradients match finite differences", "[upsample_nearest][gradient]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape);
    const auto f = [](const std::vector<Variable>& v) { return upsample_nearest(v[0]); };
    CHECK(gradient_error(f, {randn(shape)}) < kGradientTolerance);
  }
}

TEST_CASE("upsample_nearest gradients in f32 agree with f64", "[upsample_nearest][agreement]") {
  const Tensor dy = randn({2, 6, 10, 7}, DType::f32);
  CHECK(difference(kernels::upsample_nearest_backward(dy), kernels::upsample_nearest_backward(dy.to(DType::f64))) <
        tolerance(DType::f32));
}

TEST_CASE("upsample_nearest agrees with double in every type and alignment", "[upsample_nearest][agreement]") {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 3, 5, 7}, Shape{2, 3, 2, 24}, Shape{1, 7, 2, 33}})
    for (const DType dtype : device_types()) {
      CAPTURE(shape, dtype);
      const auto f = [](const std::vector<Variable>& v) { return upsample_nearest(v[0]); };
      CHECK(disagreement(f, {randn(shape)}, dtype) < tolerance(dtype));
      const Tensor x = randn(shape, dtype), y = kernels::upsample_nearest(x);
      CHECK(difference(kernels::upsample_nearest(shifted(x)), y) == 0);
      CHECK(difference(kernels::upsample_nearest_backward(shifted(y)), kernels::upsample_nearest_backward(y)) == 0);
    }
}

TEST_CASE("upsample_nearest works on empty batches and names the bad argument", "[upsample_nearest][errors]") {
  const Variable x(Tensor({0, 4, 4, 8}), true);
  upsample_nearest(x).backward(Tensor({0, 8, 8, 8}));
  CHECK(x.grad().shape() == Shape{0, 4, 4, 8});
  CHECK_THROWS_WITH(kernels::upsample_nearest(randn({4, 4, 8})),
                    "upsample_nearest: x must be (N, H, W, C), got (4, 4, 8)");
  CHECK_THROWS_WITH(kernels::upsample_nearest_backward(randn({1, 3, 4, 8})),
                    "upsample_nearest_backward: dy must be (N, 2H, 2W, C), got (1, 3, 4, 8)");
}
