#include "kernels/sum.h"

#include "core/parallel.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape x;
  std::vector<int> axes;
  Shape y;
};
const Case kCases[] = {
    {{}, {}, {}},
    {{1}, {0}, {}},
    {{31}, {0}, {}},
    {{3, 5}, {}, {3, 5}},
    {{3, 5}, {0}, {5}},
    {{3, 5}, {-1}, {3}},
    {{2, 3, 5, 7}, {0, 1, 2}, {7}},
    {{2, 3, 5, 7}, {1, 2}, {2, 7}},
    {{2, 3, 5, 7}, {0, 3}, {3, 5}},
    {{2, 3, 5, 7}, {3, 1}, {2, 5}},
    {{2, 1, 3, 1, 5, 2}, {5, 0, 3, 2}, {1, 5}},
    {{2, 3, 2, 3, 2, 3}, {0, 2, 4}, {3, 3, 3}},
    {{300, 7, 33}, {0}, {7, 33}},
    {{129, 31}, {1}, {129}},
    {{67, 1031}, {0}, {1031}},
};

// By the definition: each element of x is added to the one element of y that it belongs to.
Tensor reference(const Tensor& x, const std::vector<int>& axes, const Shape& y_shape) {
  std::vector<bool> summed(static_cast<size_t>(x.rank()));
  for (const int i : axes) summed[static_cast<size_t>(x.shape().axis(i))] = true;
  Tensor y = Tensor::zeros(y_shape, DType::f64);
  const std::vector<double> values = x.to_vector<double>();
  for (int64_t k = 0; k < x.numel(); ++k) {
    int64_t rest = k, offset = 0, stride = 1;
    for (int i = x.rank() - 1; i >= 0; --i) {
      if (!summed[static_cast<size_t>(i)]) offset += rest % x.dim(i) * stride, stride *= x.dim(i);
      rest /= x.dim(i);
    }
    y.data<double>()[offset] += values[static_cast<size_t>(k)];
  }
  return y;
}

}  // namespace

TEST_CASE("sum adds up the named axes", "[sum]") {
  for (const auto& [shape, axes, y_shape] : kCases)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, axes, dtype);
      const Tensor x = randn(shape, dtype), want = reference(x, axes, y_shape);
      CHECK(difference(kernels::sum(x, axes), want) < (dtype == DType::f64 ? 1e-13 : 1e-6));
      const Shape kept = kernels::sum(x, axes, true).shape();
      REQUIRE(kept.rank() == shape.rank());
      CHECK(kept.numel() == y_shape.numel());
    }
}

TEST_CASE("sum and mean gradients match finite differences", "[sum][gradient]") {
  for (const Case& c : kCases)
    for (const bool keep_dims : {false, true}) {
      CAPTURE(c.x, c.axes, keep_dims);
      const auto f = [&](const std::vector<Variable>& v) { return sum(v[0], c.axes, keep_dims); };
      const auto g = [&](const std::vector<Variable>& v) { return mean(v[0], c.axes, keep_dims); };
      CHECK(gradient_error(f, {randn(c.x)}) < kGradientTolerance);
      CHECK(gradient_error(g, {randn(c.x)}) < kGradientTolerance);
    }
}

TEST_CASE("sum of a device's types agrees with the CPU", "[sum][agreement]") {
  const Case cases[] = {{{16}, {0}, {}},         {{40000}, {0}, {}},      {{40001}, {0}, {}},    {{5, 264}, {1}, {5}},
                        {{5, 263}, {1}, {5}},    {{3, 700, 24}, {1}, {}}, {{2, 300, 5}, {1}, {}}, {{9, 16}, {0}, {}},
                        {{4, 40, 2056}, {1}, {}}};
  for (const DType dtype : device_types())
    for (const Case& c : cases) {
      CAPTURE(dtype, c.x, c.axes);
      const auto f = [&](const std::vector<Variable>& v) { return mean(v[0], c.axes); };
      CHECK(disagreement(f, {randn(c.x)}, dtype) < tolerance(dtype));
    }
}

TEST_CASE("sum over everything is a scalar that backward starts from", "[sum]") {
  const Variable x(Tensor::full({2, 3, 4}, 0.5, DType::f64), true);
  CHECK(sum(x).shape() == Shape{});
  CHECK(sum(x).value().item() == 12);
  CHECK(mean(x).value().item() == 0.5);
  mean(x).backward();
  CHECK(difference(x.grad(), Tensor::full({2, 3, 4}, 1.0 / 24, DType::f64)) < 1e-16);
}

TEST_CASE("sum of many f32 loses nothing", "[sum]") {
  const Tensor x = Tensor::full({10'000'000}, 0.1f);  // one f32 accumulator gives 1087937
  const double exact = 1e7 * static_cast<double>(0.1f);
  CHECK(kernels::sum(x).item() == Approx(exact).epsilon(1e-6));
  const int axes[] = {0};
  CHECK(kernels::sum(x.reshape({2'500'000, 4}), axes).to_vector<double>()[3] == Approx(exact / 4).epsilon(1e-6));
}

TEST_CASE("sum gives the same bits with any number of threads", "[sum]") {
  const Tensor x = randn({101, 17, 29, 8}, DType::f32);
  const int before = thread_count();
  const auto sums = [&] {
    std::vector<float> all = kernels::sum(x).to_vector<float>();
    for (const std::vector<int>& axes : {std::vector{0, 1, 2}, std::vector{3}, std::vector{1, 2}, std::vector{0, 3}})
      for (const float v : kernels::sum(x, axes).to_vector<float>()) all.push_back(v);
    return all;
  };
  set_thread_count(1);
  const std::vector<float> one = sums();
  set_thread_count(5);
  CHECK(sums() == one);
  set_thread_count(before);
}

TEST_CASE("sum over nothing is zero and the mean is not a number", "[sum]") {
  const Variable x(Tensor({0, 3, 4}), true);
  const int axes[] = {0};
  CHECK(difference(sum(x, axes).value(), Tensor::zeros({3, 4})) == 0);
  CHECK(sum(x).value().item() == 0);
  CHECK(std::isnan(mean(x).value().item()));
  sum(x).backward();
  CHECK(x.grad().shape() == Shape{0, 3, 4});
}

TEST_CASE("sum names the bad argument", "[sum][errors]") {
  const std::vector<int> twice = {1, -2}, missing = {3};
  CHECK_THROWS_WITH(kernels::sum(randn({2, 3, 4}), twice), "sum: axis 1 is named twice");
  CHECK_THROWS_AS(kernels::sum(randn({2, 3, 4}), missing), Error);
  CHECK_THROWS_WITH(kernels::sum_backward(randn({2}), {2, 3, 4}, std::vector{2}),
                    "sum_backward: dy must be (2, 3), got (2)");
}
