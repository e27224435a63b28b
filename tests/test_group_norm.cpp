#include "core/parallel.h"
#include "kernels/group_norm.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  int64_t N, H, W, C, G;
};
const Case kCases[] = {{1, 1, 1, 4, 2},  {2, 3, 5, 6, 3},    {3, 4, 4, 8, 8},
                       {1, 2, 2, 32, 1}, {2, 7, 11, 33, 11}, {5, 9, 9, 31, 1}};

Variable norm(const std::vector<Variable>& v, int64_t groups, Activation activation) {
  return group_norm(v[0], v[1], v[2], {.groups = groups, .activation = activation});
}

}  // namespace

TEST_CASE("group_norm gives each group zero mean and unit variance", "[group_norm]") {
  const Tensor x = randn({2, 5, 7, 6}), one = Tensor::full({6}, 1, DType::f64),
               zero = Tensor::zeros({6}, DType::f64);
  const std::vector<double> y =
      kernels::group_norm(x, one, zero, {.groups = 3, .eps = 0}).y.to_vector<double>();
  for (int n = 0; n < 2; ++n)
    for (int g = 0; g < 3; ++g) {
      double sum = 0, square = 0;
      for (int s = 0; s < 35; ++s)
        for (int c = 2 * g; c < 2 * g + 2; ++c) {
          const double v = y[static_cast<size_t>((n * 35 + s) * 6 + c)];
          sum += v, square += v * v;
        }
      CHECK(sum / 70 == Approx(0).margin(1e-12));
      CHECK(square / 70 == Approx(1).margin(1e-12));
    }
}

TEST_CASE("group_norm gradients match finite differences", "[group_norm][gradient]") {
  for (const auto& [N, H, W, C, G] : kCases)
    for (const Activation activation : {Activation::none, Activation::silu}) {
      CAPTURE(N, H, W, C, G, activation == Activation::silu);
      const auto f = [=, groups = G](const std::vector<Variable>& v) {
        return norm(v, groups, activation);
      };
      CHECK(gradient_error(f, {randn({N, H, W, C}), randn({C}), randn({C}, DType::f64, 5)}) <
            kGradientTolerance);
    }
}

TEST_CASE("group_norm in f32 agrees with f64", "[group_norm][agreement]") {
  for (const auto& [N, H, W, C, G] : kCases)
    for (const Activation activation : {Activation::none, Activation::silu}) {
      CAPTURE(N, H, W, C, G);
      std::vector<Variable> wide, narrow;
      for (const Tensor& t :
           {randn({N, H, W, C}, DType::f32), randn({C}, DType::f32), randn({C}, DType::f32, 5)}) {
        wide.emplace_back(t.to(DType::f64), true);
        narrow.emplace_back(t, true);
      }
      const Variable y64 = norm(wide, G, activation), y32 = norm(narrow, G, activation);
      CHECK(difference(y32.value(), y64.value()) < tolerance(DType::f32));
      const Tensor dy = randn(y32.shape(), DType::f32, 9);
      y64.backward(dy.to(DType::f64));
      y32.backward(dy);
      for (size_t i = 0; i < 3; ++i)
        CHECK(difference(narrow[i].grad(), wide[i].grad()) < 5 * tolerance(DType::f32));
    }
}

TEST_CASE("group_norm of a device's types agrees with the CPU", "[group_norm][agreement]") {
  const Case cases[] = {{1, 1, 1, 8, 1},   {2, 3, 5, 6, 3},   {2, 5, 7, 33, 11}, {3, 4, 4, 16, 8}, {2, 6, 5, 48, 6},
                        {1, 9, 9, 40, 10}, {2, 1, 1, 64, 8}, {1, 2, 3, 96, 3}};
  for (const DType dtype : device_types())
    for (const auto& [N, H, W, C, G] : cases)
      for (const Activation activation : {Activation::none, Activation::silu}) {
        CAPTURE(dtype, N, H, W, C, G, activation == Activation::silu);
        const auto f = [groups = G, activation](const std::vector<Variable>& v) { return norm(v, groups, activation); };
        CHECK(disagreement(f, {randn({N, H, W, C}), randn({C}), randn({C}, DType::f64, 5)}, dtype) <
              2 * tolerance(dtype));
      }
}

TEST_CASE("group_norm is the same by each of a device's kernels", "[group_norm][agreement]") {
  using kernels::GroupNormKernel;
  const Case cases[] = {{1, 1, 1, 8, 1}, {2, 3, 5, 6, 3}, {2, 9, 7, 33, 11}, {2, 13, 12, 48, 6}, {1, 31, 33, 16, 8},
                        {1, 2, 3, 1200, 1}};  // the last group is too large for a slab
  for (const DType dtype : device_types())
    for (const auto& [N, H, W, C, G] : cases)
      for (const Activation activation : {Activation::none, Activation::silu}) {
        const Tensor x = randn({N, H, W, C}).to(dtype), w = randn({C}).to(dtype);
        const Tensor b = randn({C}, DType::f64, 5).to(dtype), dy = randn({N, H, W, C}, DType::f64, 9).to(dtype);
        const auto run = [&, groups = G](GroupNormKernel kernel) {
          const auto [y, mean, rstd] =
              kernels::group_norm(x, w, b, {.groups = groups, .activation = activation}, kernel);
          const auto g = kernels::group_norm_backward(dy, x, w, b, mean, rstd, activation, 7, kernel);
          return std::vector<Tensor>{y, mean, rstd, g.dx, g.dweight, g.dbias};
        };
        const std::vector<Tensor> expected = run(GroupNormKernel::split);
        for (const GroupNormKernel kernel : {GroupNormKernel::naive, GroupNormKernel::slab}) {
          CAPTURE(dtype, N, H, W, C, G, activation == Activation::silu, static_cast<int>(kernel));
          const std::vector<Tensor> got = run(kernel);
          for (size_t i = 0; i < got.size(); ++i) CHECK(difference(got[i], expected[i]) < tolerance(dtype));
        }
      }
}

TEST_CASE("group_norm survives a large mean", "[group_norm]") {
  Tensor x = randn({1, 8, 8, 4}, DType::f32);
  for (float& v : x.span<float>()) v += 1000;
  const Tensor one = Tensor::full({4}, 1), zero = Tensor::zeros({4});
  const Tensor narrow = kernels::group_norm(x, one, zero, {.groups = 2}).y;
  const Tensor wide =
      kernels::group_norm(x.to(DType::f64), one.to(DType::f64), zero.to(DType::f64), {.groups = 2})
          .y;
  CHECK(difference(narrow, wide) < 2e-4);  // half an ulp of 1000 is 3e-5
}

TEST_CASE("group_norm splits few large samples into parts", "[group_norm][threads]") {
  const Shape shape{1, 61, 67, 36};  // four parts, the last one shorter
  for (const Activation activation : {Activation::none, Activation::silu}) {
    const auto f = [=](const std::vector<Variable>& v) { return norm(v, 9, activation); };
    const Tensor x = randn(shape), w = randn({36}), b = randn({36}, DType::f64, 5);
    CHECK(gradient_error(f, {x, w, b}, 1e-5) < kGradientTolerance);
  }
  Tensor x = randn(shape, DType::f32);
  for (float& v : x.span<float>()) v += 1000;
  const Tensor w = randn({36}, DType::f32), dy = randn(shape, DType::f32, 7);
  const auto run = [&](DType dtype) {
    const Tensor in = x.to(dtype), weight = w.to(dtype);
    auto [y, mean, rstd] = kernels::group_norm(in, weight, weight, {.groups = 9});
    auto [dx, dweight, dbias] = kernels::group_norm_backward(dy.to(dtype), in, weight, weight, mean,
                                                             rstd, Activation::none, 7);
    return std::vector<Tensor>{y, mean, rstd, dx, dweight, dbias};
  };
  const std::vector<Tensor> narrow = run(DType::f32), wide = run(DType::f64);
  for (size_t i = 0; i < narrow.size(); ++i) CHECK(difference(narrow[i], wide[i]) < 2e-4);
  const int before = thread_count();
  set_thread_count(3);
  const std::vector<Tensor> again = run(DType::f32);
  set_thread_count(before);
  for (size_t i = 0; i < narrow.size(); ++i) CHECK(difference(again[i], narrow[i]) == 0);
}

TEST_CASE("group_norm skips gradients nobody wants", "[group_norm]") {
  const Variable x(randn({2, 4, 4, 6})), w(randn({6}), true), b(randn({6}));
  group_norm(x, w, b, {.groups = 3}).backward(randn({2, 4, 4, 6}));
  CHECK(w.grad().defined());
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("group_norm names the bad argument", "[group_norm][errors]") {
  const Tensor x = randn({2, 4, 4, 6}), w = randn({6});
  CHECK_THROWS_WITH(kernels::group_norm(x, w, w, {.groups = 4}),
                    "group_norm: 6 channels do not split into 4 groups");
  CHECK_THROWS_WITH(kernels::group_norm(x, randn({5}), w, {.groups = 3}),
                    "group_norm: weight must be (6), got (5)");
  CHECK_THROWS_WITH(kernels::group_norm(x, w, randn({6, 1}), {.groups = 3}),
                    "group_norm: bias must be (6), got (6, 1)");
  CHECK_THROWS_WITH(kernels::group_norm(randn({6}), w, w, {.groups = 3}),
                    "group_norm: x must be (N, ..., C), got (6)");
  CHECK_THROWS_WITH(kernels::group_norm(x.to(DType::f32), w, w, {.groups = 3}),
                    Contains("must be f32, got f64"));
}
