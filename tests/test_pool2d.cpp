#include "kernels/pool2d.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape x;
  int64_t kernel, stride;
};
const Case kCases[] = {
    {{1, 1, 1, 1}, 1, 1},   {{2, 4, 4, 32}, 2, 2},  {{2, 7, 9, 33}, 2, 2},  {{1, 7, 8, 31}, 3, 2},
    {{2, 5, 6, 3}, 3, 1},   {{1, 11, 7, 5}, 2, 3},  {{2, 6, 5, 4}, 5, 5},   {{1, 17, 19, 2}, 17, 1},
    {{3, 28, 28, 8}, 2, 2},
};

enum class Kind { average, maximum };

// By the definition.
Tensor reference(Kind kind, const Tensor& x, int64_t kernel, int64_t stride) {
  const int64_t N = x.dim(0), H = x.dim(1), W = x.dim(2), C = x.dim(3);
  const int64_t HO = (H - kernel) / stride + 1, WO = (W - kernel) / stride + 1;
  const std::vector<double> in = x.to_vector<double>();
  Tensor y({N, HO, WO, C}, DType::f64);
  for (int64_t k = 0; k < y.numel(); ++k) {
    const int64_t c = k % C, j = k / C % WO, i = k / C / WO % HO, n = k / C / WO / HO;
    double sum = 0, most = -INFINITY;
    for (int64_t r = 0; r < kernel; ++r)
      for (int64_t s = 0; s < kernel; ++s) {
        const double v = in[static_cast<size_t>(((n * H + i * stride + r) * W + j * stride + s) * C + c)];
        sum += v;
        most = std::max(most, v);
      }
    y.data<double>()[k] = kind == Kind::average ? sum / static_cast<double>(kernel * kernel) : most;
  }
  return y;
}

}  // namespace

TEST_CASE("pool2d takes the mean or the maximum of each window", "[pool2d]") {
  for (const auto& [shape, kernel, stride] : kCases)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, kernel, stride, dtype);
      const Tensor x = randn(shape, dtype);
      CHECK(difference(kernels::avg_pool2d(x, kernel, stride), reference(Kind::average, x, kernel, stride)) <
            tolerance(dtype));
      CHECK(difference(kernels::max_pool2d(x, kernel, stride).y, reference(Kind::maximum, x, kernel, stride)) == 0);
    }
}

TEST_CASE("pool2d gradients match finite differences", "[pool2d][gradient]") {
  for (const Case& c : kCases) {
    CAPTURE(c.x, c.kernel, c.stride);
    const auto average = [&](const std::vector<Variable>& v) { return avg_pool2d(v[0], c.kernel, c.stride); };
    const auto maximum = [&](const std::vector<Variable>& v) { return max_pool2d(v[0], c.kernel, c.stride); };
    CHECK(gradient_error(average, {randn(c.x)}) < kGradientTolerance);
    CHECK(gradient_error(maximum, {randn(c.x)}) < kGradientTolerance);
  }
}

TEST_CASE("pool2d gradients in f32 agree with f64", "[pool2d][agreement]") {
  for (const auto& [shape, kernel, stride] : kCases) {
    CAPTURE(shape, kernel, stride);
    const Tensor x = randn(shape, DType::f32), index = kernels::max_pool2d(x, kernel, stride).index;
    const Tensor dy = randn(index.shape(), DType::f32, 9), dy64 = dy.to(DType::f64);
    CHECK(difference(kernels::avg_pool2d_backward(dy, shape, kernel, stride),
                     kernels::avg_pool2d_backward(dy64, shape, kernel, stride)) < tolerance(DType::f32));
    CHECK(difference(kernels::max_pool2d_backward(dy, index, shape, kernel, stride),
                     kernels::max_pool2d_backward(dy64, index, shape, kernel, stride)) < tolerance(DType::f32));
  }
}

TEST_CASE("pool2d agrees with double in every type, whatever the alignment", "[pool2d][agreement]") {
  for (const auto& [shape, kernel, stride] : kCases)
    for (const DType dtype : device_types()) {
      CAPTURE(shape, kernel, stride, dtype);
      const int64_t k = kernel, s = stride;
      const auto average = [=](const std::vector<Variable>& v) { return avg_pool2d(v[0], k, s); };
      const auto maximum = [=](const std::vector<Variable>& v) { return max_pool2d(v[0], k, s); };
      CHECK(disagreement(average, {randn(shape)}, dtype) < tolerance(dtype));
      CHECK(disagreement(maximum, {randn(shape)}, dtype) < tolerance(dtype));
      const Tensor x = randn(shape, dtype), dy = kernels::avg_pool2d(x, k, s);
      const kernels::MaxPool2dResult y = kernels::max_pool2d(x, k, s), odd = kernels::max_pool2d(shifted(x), k, s);
      CHECK(difference(odd.y, y.y) == 0);
      CHECK(difference(odd.index, y.index) == 0);
      CHECK(difference(kernels::max_pool2d_backward(dy, shifted(y.index), shape, k, s),
                       kernels::max_pool2d_backward(dy, y.index, shape, k, s)) == 0);
      CHECK(difference(kernels::avg_pool2d(shifted(x), k, s), dy) == 0);
      CHECK(difference(kernels::avg_pool2d_backward(shifted(dy), shape, k, s),
                       kernels::avg_pool2d_backward(dy, shape, k, s)) == 0);
    }
}

TEST_CASE("max_pool2d gives the gradient to the first of equal maxima, and lets NaN through", "[pool2d]") {
  const Tensor x = Tensor::from<float>({1, 5, 5, 5, 7, 0, NAN, 9}, {1, 2, 4, 1});
  const Variable v(x, true), y = max_pool2d(v, 2, 2);
  CHECK(y.value().to_vector<double>()[0] == 7);
  CHECK(std::isnan(y.value().to_vector<double>()[1]));
  y.backward(Tensor::full(y.shape(), 1));
  CHECK(v.grad().to_vector<double>() == std::vector<double>{0, 0, 0, 0, 1, 0, 1, 0});
  const Variable flat(Tensor::full({1, 2, 2, 3}, 4), true);
  max_pool2d(flat, 2, 2).backward(Tensor::full({1, 1, 1, 3}, 1));
  CHECK(flat.grad().to_vector<double>() == std::vector<double>{1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("pool2d works on empty batches", "[pool2d]") {
  const Variable x(Tensor({0, 4, 4, 8}), true);
  (avg_pool2d(x, 2, 2) + max_pool2d(x, 2, 2)).backward(Tensor({0, 2, 2, 8}));
  CHECK(x.grad().shape() == Shape{0, 4, 4, 8});
}

TEST_CASE("pool2d names the bad argument", "[pool2d][errors]") {
  const Tensor x = randn({1, 4, 3, 8});
  CHECK_THROWS_WITH(kernels::max_pool2d(x, 4, 2), "max_pool2d: a window of 4 x 4 does not fit into (1, 4, 3, 8)");
  CHECK_THROWS_WITH(kernels::avg_pool2d(x, 2, 0), "avg_pool2d: kernel and stride must be positive, got 2 and 0");
  CHECK_THROWS_WITH(kernels::avg_pool2d(randn({4, 4}), 2, 2), "avg_pool2d: x must be (N, H, W, C), got (4, 4)");
  CHECK_THROWS_WITH(kernels::avg_pool2d_backward(randn({1, 2, 2, 8}), {1, 4, 3, 8}, 2, 2),
                    "avg_pool2d_backward: dy must be (1, 2, 1, 8), got (1, 2, 2, 8)");
  const Tensor index({1, 2, 2, 8}, DType::u8);
  CHECK_THROWS_WITH(kernels::max_pool2d_backward(randn({1, 2, 1, 8}), index, {1, 4, 3, 8}, 2, 2),
                    "max_pool2d_backward: index must be (1, 2, 1, 8), got (1, 2, 2, 8)");
}
