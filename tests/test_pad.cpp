#include "kernels/pad.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape x;
  Padding padding;
};
const Case kCases[] = {
    {{1, 1, 1, 1}, 1}, {{2, 3, 5, 7}, {0, 1, 0, 1}}, {{3, 4, 4, 33}, {2, 0, 1, 3}}, {{2, 31, 3, 2}, 0},
    {{2, 3, 2, 16}, {1, 0, 2, 1}},
};

}  // namespace

TEST_CASE("pad puts zeros around the image", "[pad]") {
  for (const auto& [shape, padding] : kCases)
    for (const DType dtype : {DType::f32, DType::f64, DType::u8}) {
      CAPTURE(shape, dtype);
      const Tensor x = Tensor::full(shape, 3, dtype), y = kernels::pad(x, padding);
      const int64_t H = shape[1] + padding.top + padding.bottom, W = shape[2] + padding.left + padding.right;
      REQUIRE(y.shape() == Shape{shape[0], H, W, shape[3]});
      const std::vector<double> values = y.to_vector<double>();
      bool right = true;
      for (int64_t k = 0; k < y.numel(); ++k) {
        const int64_t j = k / shape[3] % W - padding.left, i = k / shape[3] / W % H - padding.top;
        const bool inside = 0 <= i && i < shape[1] && 0 <= j && j < shape[2];
        right &= values[static_cast<size_t>(k)] == (inside ? 3 : 0);
      }
      CHECK(right);
    }
}

TEST_CASE("pad gradients match finite differences", "[pad][gradient]") {
  for (const Case& c : kCases) {
    CAPTURE(c.x);
    const auto f = [&](const std::vector<Variable>& v) { return pad(v[0], c.padding); };
    CHECK(gradient_error(f, {randn(c.x)}) < kGradientTolerance);
  }
}

TEST_CASE("pad_backward undoes pad", "[pad]") {
  for (const auto& [shape, padding] : kCases)
    for (const DType dtype : {DType::f64, DType::bf16, DType::u8}) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape).to(dtype), y = kernels::pad(x, padding);
      CHECK(difference(kernels::pad_backward(y, padding), x) == 0);
      CHECK(difference(kernels::pad(shifted(x), padding), y) == 0);
      CHECK(difference(kernels::pad_backward(shifted(y), padding), x) == 0);
    }
}

TEST_CASE("pad works on empty batches and names the bad argument", "[pad][errors]") {
  CHECK(kernels::pad(Tensor({0, 2, 2, 3}), 1).shape() == Shape{0, 4, 4, 3});
  CHECK_THROWS_WITH(kernels::pad(randn({1, 2, 2, 3}), {0, 1, -1, 0}),
                    "pad: padding must not be negative, got 0, 1, -1, 0 (top, bottom, left, right)");
  CHECK_THROWS_WITH(kernels::pad(randn({2, 3}), 1), "pad: x must be (N, H, W, C), got (2, 3)");
}
