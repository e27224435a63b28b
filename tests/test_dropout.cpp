#include "kernels/dropout.h"

#include "core/parallel.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("dropout zeroes a share p and scales the rest", "[dropout]") {
  for (const double p : {0.0, 0.1, 0.5, 0.9}) {
    CAPTURE(p);
    const Tensor y = kernels::dropout(Tensor::full({100003}, 3), p, {.seed = 5});
    int64_t zeros = 0;
    for (const float v : y.span<float>()) {
      zeros += v == 0;
      if (v != 0) REQUIRE(v == Approx(3 / (1 - p)));
    }
    CHECK(std::abs(static_cast<double>(zeros) - 100003 * p) <= 5 * std::sqrt(100003 * p * (1 - p)));
  }
}

TEST_CASE("dropout follows the key's sequence", "[dropout]") {
  const RandomKey key{.seed = 7, .stream = kDropoutStream, .step = 3};
  for (const int64_t n : {1, 3, 31, 257, 40001}) {
    CAPTURE(n);
    const Tensor x = randn({n}), y = kernels::dropout(x, 0.3, key);
    const double *xs = x.data<double>(), *ys = y.data<double>();
    for (int64_t i = 0; i < n; ++i) {
      const double keep = uniform_at(key, static_cast<uint64_t>(i)) < 0.3f ? 0 : 1 / 0.7;
      REQUIRE(ys[i] == Approx(keep * xs[i]).margin(0));
    }
  }
}

TEST_CASE("dropout reads the step of its key where it is kept", "[dropout]") {
  const Tensor x = randn({2051}, DType::f32), step = Tensor::from<int32_t>({5}, {1});
  const auto* address = static_cast<const uint32_t*>(step.raw());
  CHECK(difference(kernels::dropout(x, 0.3, {.seed = 3, .step = 2, .step_at = address}),
                   kernels::dropout(x, 0.3, {.seed = 3, .step = 7})) == 0);
}

TEST_CASE("dropout of a device's types drops the same elements", "[dropout][agreement]") {
  for (const DType dtype : device_types())
    for (const int64_t n : {1, 2, 8, 13, 2051}) {
      CAPTURE(dtype, n);
      const Tensor x = randn({n}).to(dtype), y = kernels::dropout(x, 0.3, {.seed = 3});
      const Tensor expected = kernels::dropout(x.to(Device::cpu).to(DType::f64), 0.3, {.seed = 3});
      CHECK(difference(y, expected) < tolerance(dtype));
      const std::vector<double> got = y.to_vector<double>(), wanted = expected.to_vector<double>();
      for (size_t i = 0; i < got.size(); ++i) REQUIRE((got[i] == 0) == (wanted[i] == 0));
    }
}

TEST_CASE("dropout gives the same bits with any number of threads", "[dropout]") {
  const Tensor x = randn({123457}, DType::f32);
  const int before = thread_count();
  set_thread_count(1);
  const std::vector<float> one = kernels::dropout(x, 0.4, {.seed = 2}).to_vector<float>();
  set_thread_count(5);
  CHECK(kernels::dropout(x, 0.4, {.seed = 2}).to_vector<float>() == one);
  set_thread_count(before);
}

TEST_CASE("dropout draws the same mask for the gradient", "[dropout][gradient]") {
  for (const Shape& shape : {Shape{}, Shape{31}, Shape{2, 3, 5, 7}, Shape{0, 4}}) {
    CAPTURE(shape);
    const auto f = [](const std::vector<Variable>& v) { return dropout(v[0], 0.3, {.seed = 11, .step = 2}); };
    CHECK(gradient_error(f, {randn(shape)}) < kGradientTolerance);
  }
}

TEST_CASE("dropout names the bad argument", "[dropout][errors]") {
  CHECK_THROWS_WITH(kernels::dropout(randn({3}), 1, {}), "dropout: p must be in [0, 1), got 1");
  CHECK_THROWS_WITH(kernels::dropout(randn({3}), -0.5, {}), "dropout: p must be in [0, 1), got -0.5");
  CHECK_THROWS_WITH(kernels::dropout(randn({3}), NAN, {}), "dropout: p must be in [0, 1), got nan");
}
