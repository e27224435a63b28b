#include "kernels/conv2d.h"

#include "core/parallel.h"
#include "kernels/conv2d_algorithm.h"
#include "kernels/precision.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

constexpr double kTf32Tolerance = 2e-3;  // factors have 11 significant bits

struct Case {
  int64_t N, H, W, C, O, KH, KW;
  Conv2dOptions options = {};

  Shape x() const { return {N, H, W, C}; }
  Shape weight() const { return {O, KH, KW, C / options.groups}; }
  int64_t HO() const { return (H + options.padding.top + options.padding.bottom - KH) / options.stride + 1; }
  int64_t WO() const { return (W + options.padding.left + options.padding.right - KW) / options.stride + 1; }
  Shape y() const { return {N, HO(), WO(), O}; }
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  const auto& [stride, padding, groups] = c.options;
  return out << "x " << c.x() << ", weight " << c.weight() << ", stride " << stride << ", padding " << padding.top
             << " " << padding.bottom << " " << padding.left << " " << padding.right << ", groups " << groups;
}

// Widths around the vectors and panels of every instruction set, all kinds of kernels, and where they meet the border.
std::vector<Case> cases() {
  std::vector<Case> all{
      {1, 1, 1, 1, 1, 1, 1},
      {2, 1, 1, 3, 5, 3, 3, {.padding = 1}},                           // the kernel covers the image
      {3, 2, 3, 4, 6, 5, 5, {.padding = 2}},                           // and is larger than it
      {2, 5, 4, 3, 4, 2, 3, {.padding = {0, 1, 2, 0}}},                // asymmetric
      {1, 7, 9, 2, 3, 1, 7, {.padding = {0, 0, 3, 3}}},                // a row
      {1, 9, 7, 2, 3, 7, 1, {.padding = {3, 3, 0, 0}}},                // a column
      {2, 4, 4, 3, 2, 1, 1, {.padding = 2}},                           // outputs that see no input
      {2, 6, 5, 3, 4, 3, 3, {.padding = 4}},                           // more padding than kernel
      {2, 8, 8, 6, 10, 3, 3, {.stride = 2, .padding = 1}},             // downsampling
      {1, 9, 7, 4, 5, 3, 3, {.stride = 2, .padding = {0, 1, 0, 1}}},   // as diffusers pads it
      {2, 7, 8, 3, 4, 2, 2, {.stride = 2}},                            // a last column that nobody sees
      {1, 11, 10, 2, 3, 3, 4, {.stride = 3, .padding = {2, 0, 1, 3}}},
      {1, 10, 10, 3, 4, 1, 1, {.stride = 4}},                          // phases without taps
      {1, 9, 9, 2, 3, 7, 7, {.stride = 5, .padding = 3}},
      {2, 6, 6, 8, 12, 3, 3, {.padding = 1, .groups = 2}},
      {2, 5, 6, 9, 6, 3, 2, {.stride = 2, .padding = 1, .groups = 3}},
      {1, 5, 5, 6, 12, 3, 3, {.padding = 1, .groups = 6}},             // depthwise with a multiplier
      {2, 6, 7, 70, 70, 3, 3, {.padding = 1, .groups = 70}},           // depthwise
      {2, 7, 6, 5, 5, 3, 5, {.stride = 2, .padding = {1, 2, 0, 2}, .groups = 5}},
      {1, 40, 40, 70, 16, 3, 3, {.padding = 1}},                       // bands of rows
      {3, 2, 2, 160, 200, 3, 3, {.padding = 1}},                       // more weights than pixels
      {13, 4, 5, 24, 40, 3, 3, {.padding = 1}},                        // several images to a tile
  };
  for (const int64_t C : {1, 3, 31, 32, 33, 64, 96})
    for (const int64_t O : {1, 2, 3, 31, 32, 33, 64, 96}) all.push_back({2, 5, 4, C, O, 3, 3, {.padding = 1}});
  for (const int64_t C : {1, 7, 40})
    for (const int64_t O : {1, 5, 24, 40}) all.push_back({3, 6, 5, C, O, 1, 1});
  return all;
}

// The definition, in double: calls f(x, weight, y) with the flat index of every product's operands and of its sum.
template <typename F>
void for_each_product(const Case& c, F f) {
  const auto& [stride, padding, groups] = c.options;
  const int64_t Cg = c.C / groups, Og = c.O / groups;
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t i = 0; i < c.HO(); ++i)
      for (int64_t j = 0; j < c.WO(); ++j)
        for (int64_t o = 0; o < c.O; ++o)
          for (int64_t r = 0; r < c.KH; ++r)
            for (int64_t s = 0; s < c.KW; ++s) {
              const int64_t h = i * stride + r - padding.top, w = j * stride + s - padding.left;
              if (h < 0 || h >= c.H || w < 0 || w >= c.W) continue;
              for (int64_t k = 0; k < Cg; ++k)
                f(static_cast<size_t>(((n * c.H + h) * c.W + w) * c.C + o / Og * Cg + k),
                  static_cast<size_t>(((o * c.KH + r) * c.KW + s) * Cg + k),
                  static_cast<size_t>(((n * c.HO() + i) * c.WO() + j) * c.O + o));
            }
}

struct Reference {
  Tensor y, dx, dweight;
};
Reference reference(const Case& c, const Tensor& x, const Tensor& weight, const Tensor& dy) {
  const Reference out{Tensor::zeros(c.y(), DType::f64), Tensor::zeros(c.x(), DType::f64),
                      Tensor::zeros(c.weight(), DType::f64)};
  const std::vector<double> xs = x.to_vector<double>(), ws = weight.to_vector<double>(), gs = dy.to_vector<double>();
  const auto y = out.y.span<double>(), dx = out.dx.span<double>(), dweight = out.dweight.span<double>();
  for_each_product(c, [&](size_t ix, size_t iw, size_t iy) {
    y[iy] += xs[ix] * ws[iw];
    dx[ix] += gs[iy] * ws[iw];
    dweight[iw] += gs[iy] * xs[ix];
  });
  return out;
}

// Another algorithm and precision while it lives.
class Choice {
 public:
  explicit Choice(kernels::Conv2dAlgorithm algorithm, kernels::MatmulPrecision precision = {}) {
    kernels::set_conv2d_algorithm(algorithm);
    kernels::set_matmul_precision(precision);
  }
  ~Choice() {
    kernels::set_conv2d_algorithm(kernels::Conv2dAlgorithm::automatic);
    kernels::set_matmul_precision(kernels::MatmulPrecision::f32);
  }
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;
};

// The largest relative error of anything in conv2d and its gradients on the tested device.
double conv2d_disagreement(const Case& c, DType dtype) {
  const auto f = [&](const std::vector<Variable>& v) {
    return conv2d(v[0], v[1], c.options, {.bias = v[2], .channel_bias = v[3], .residual = v[4]});
  };
  const std::vector<Tensor> inputs{randn(c.x()), randn(c.weight()), randn({c.O}), randn({c.N, c.O}, DType::f64, 5),
                                   randn(c.y())};
  return disagreement(f, inputs, dtype);
}

// Around the tiles of the CUDA kernels, and their ways of copying.
std::vector<Case> device_cases() {
  std::vector<Case> all{
      {1, 1, 1, 1, 1, 1, 1},
      {70, 1, 1, 8, 16, 3, 3, {.padding = 1}},                          // every pixel an image of its own
      {1, 9, 7, 8, 24, 5, 5, {.padding = 2}},
      {2, 9, 10, 3, 17, 7, 7, {.padding = 3}},
      {2, 9, 8, 16, 8, 3, 3, {.stride = 2, .padding = {0, 1, 0, 1}}},   // as diffusers pads it
      {1, 8, 9, 40, 64, 3, 3, {.stride = 2, .padding = 1}},
      {1, 10, 9, 8, 8, 1, 1, {.stride = 3}},                            // phases without taps
      {1, 13, 11, 8, 16, 5, 2, {.stride = 3, .padding = {2, 1, 0, 1}}},
      {2, 7, 6, 8, 8, 2, 3, {.padding = 3}},                            // more padding than kernel
      {2, 6, 6, 16, 24, 3, 3, {.padding = 1, .groups = 2}},
      {1, 9, 9, 72, 72, 3, 3, {.stride = 2, .padding = 1, .groups = 72}},
      {2, 15, 17, 24, 40, 3, 3, {.padding = 1}},                        // pixels in parts
  };
  for (const int64_t C : {1, 3, 5, 8, 17, 33, 64})
    for (const int64_t O : {1, 3, 5, 8, 17, 33, 64}) all.push_back({1, 4, 5, C, O, 3, 3, {.padding = 1}});
  return all;
}

// Those large enough for large tiles: of pixels and channels, of pixels, of weights.
std::vector<Case> large_device_cases() {
  return {{1, 66, 65, 8, 496, 1, 1}, {1, 130, 130, 8, 64, 1, 1}, {1, 33, 19, 32, 136, 2, 2, {.padding = {1, 0, 1, 0}}}};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<double>() == b.to_vector<double>();
}

}  // namespace

TEST_CASE("conv2d and its gradients equal their definition", "[conv2d]") {
  for (const Case& c : cases())
    for (const DType dtype : {DType::f64, DType::f32}) {
      CAPTURE(c, dtype);
      const Tensor x = randn(c.x(), dtype, 1), weight = randn(c.weight(), dtype, 2), dy = randn(c.y(), dtype, 3);
      const Reference expected = reference(c, x, weight, dy);
      CHECK(difference(kernels::conv2d(x, weight, c.options), expected.y) < tolerance(dtype));
      CHECK(difference(kernels::conv2d_backward_input(dy, weight, c.x(), c.options), expected.dx) < tolerance(dtype));
      CHECK(difference(kernels::conv2d_backward_weight(dy, x, c.weight(), c.options), expected.dweight) <
            tolerance(dtype));
    }
}

TEST_CASE("conv2d adds bias, channel bias and residual", "[conv2d]") {
  for (const Case& c : cases())
    for (int which = 1; which < 8; ++which) {
      CAPTURE(c, which);
      const Tensor x = randn(c.x()), weight = randn(c.weight());
      const kernels::Conv2dAddends addends{.bias = which & 1 ? randn({c.O}, DType::f64, 4) : Tensor(),
                                           .channel_bias = which & 2 ? randn({c.N, c.O}, DType::f64, 5) : Tensor(),
                                           .residual = which & 4 ? randn(c.y(), DType::f64, 6) : Tensor()};
      const Tensor expected = kernels::conv2d(x, weight, c.options);
      const int64_t per_image = c.HO() * c.WO() * c.O;
      double* y = expected.data<double>();
      const double *bias = addends.bias.data<double>(), *channel_bias = addends.channel_bias.data<double>(),
                   *residual = addends.residual.data<double>();
      for (int64_t i = 0; i < expected.numel(); ++i) {
        if (which & 1) y[i] += bias[i % c.O];
        if (which & 2) y[i] += channel_bias[i / per_image * c.O + i % c.O];
        if (which & 4) y[i] += residual[i];
      }
      CHECK(difference(kernels::conv2d(x, weight, c.options, addends), expected) < tolerance(DType::f64));
    }
}

TEST_CASE("conv2d gradients match finite differences", "[conv2d][gradient]") {
  for (const Case& c : cases()) {
    if (c.y().numel() * c.weight().numel() > 4'000'000) continue;
    CAPTURE(c);
    const auto f = [&](const std::vector<Variable>& v) {
      return conv2d(v[0], v[1], c.options, {.bias = v[2], .channel_bias = v[3], .residual = v[4]});
    };
    const std::vector<Tensor> inputs{randn(c.x()), randn(c.weight()), randn({c.O}), randn({c.N, c.O}, DType::f64, 5),
                                     randn(c.y())};
    CHECK(gradient_error(f, inputs) < kGradientTolerance);
  }
}

TEST_CASE("conv2d agrees with the CPU by every algorithm", "[conv2d][device]") {
  if (default_device() == Device::cpu) return;
  using kernels::Conv2dAlgorithm;
  for (const Case& c : device_cases())
    for (const DType dtype : device_types())
      for (const Conv2dAlgorithm algorithm : {Conv2dAlgorithm::direct, Conv2dAlgorithm::tiled,
                                              Conv2dAlgorithm::tensor_core, Conv2dAlgorithm::pipelined}) {
        CAPTURE(c, dtype, algorithm);
        const Choice choice(algorithm);
        const bool tf32 = dtype == DType::f32 && algorithm >= Conv2dAlgorithm::tensor_core;
        CHECK(conv2d_disagreement(c, dtype) < (tf32 ? kTf32Tolerance : tolerance(dtype)));
      }
}

TEST_CASE("conv2d agrees with the CPU where tiles are large", "[conv2d][device]") {
  if (default_device() == Device::cpu) return;
  for (const Case& c : large_device_cases()) {
    CAPTURE(c);
    CHECK(conv2d_disagreement(c, DType::f32) < tolerance(DType::f32));
    CHECK(conv2d_disagreement(c, DType::bf16) < tolerance(DType::bf16));
    const Choice choice(kernels::Conv2dAlgorithm::automatic, kernels::MatmulPrecision::tf32);
    CHECK(conv2d_disagreement(c, DType::f32) < kTf32Tolerance);
  }
}

TEST_CASE("conv2d of f32 is exact unless tf32 is allowed", "[conv2d][device]") {
  const Case c{2, 9, 8, 24, 40, 3, 3, {.padding = 1}};
  const auto run = [&] { return kernels::conv2d(randn(c.x(), DType::f32), randn(c.weight(), DType::f32), c.options); };
  const Tensor exact = run();
  const auto rounded = [&](kernels::Conv2dAlgorithm algorithm, kernels::MatmulPrecision precision) {
    const Choice choice(algorithm, precision);
    return run();
  };
  const Tensor allowed = rounded(kernels::Conv2dAlgorithm::automatic, kernels::MatmulPrecision::tf32);
  if (default_device() == Device::cpu) {
    CHECK(same_bits(allowed, exact));
  } else {
    CHECK(same_bits(allowed, rounded(kernels::Conv2dAlgorithm::pipelined, kernels::MatmulPrecision::f32)));
    CHECK(difference(allowed, exact) < kTf32Tolerance);
    CHECK(difference(allowed, exact) > tolerance(DType::f32));
  }
  CHECK(same_bits(run(), exact));
}

TEST_CASE("conv2d results do not depend on the number of threads", "[conv2d]") {
  const int before = thread_count();
  const Case several[] = {{5, 14, 14, 32, 64, 5, 5, {.padding = 2}},
                          {9, 28, 28, 1, 32, 5, 5, {.padding = 2}},
                          {3, 16, 16, 64, 1, 3, 3, {.padding = 1}},
                          {4, 9, 9, 33, 40, 3, 3, {.stride = 2, .padding = 1}},
                          {2, 8, 8, 40, 40, 3, 3, {.padding = 1, .groups = 40}}};
  for (const Case& c : several) {
    CAPTURE(c);
    const Tensor x = randn(c.x(), DType::f32), weight = randn(c.weight(), DType::f32), dy = randn(c.y(), DType::f32);
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 5}) {
      set_thread_count(threads);
      const auto [dbias, dchannel_bias] = kernels::conv2d_backward_bias(dy, 3);
      const std::vector<Tensor> results{kernels::conv2d(x, weight, c.options),
                                        kernels::conv2d_backward_input(dy, weight, c.x(), c.options),
                                        kernels::conv2d_backward_weight(dy, x, c.weight(), c.options),
                                        dbias, dchannel_bias};
      if (first.empty()) first = results;
      for (size_t i = 0; i < results.size(); ++i) CHECK(same_bits(results[i], first[i]));
    }
  }
  set_thread_count(before);
}

TEST_CASE("conv2d sums long batches accurately in f32", "[conv2d]") {
  const Case c{64, 32, 32, 3, 4, 3, 3, {.padding = 1}};
  Tensor x = Tensor::full(c.x(), 1), dy = Tensor::full(c.y(), 0.1);
  const auto [dbias, dchannel_bias] = kernels::conv2d_backward_bias(dy, 3);
  CHECK(dbias.data<float>()[0] == Approx(64 * 1024 * 0.1f).epsilon(1e-6));
  CHECK(dchannel_bias.data<float>()[0] == Approx(1024 * 0.1f).epsilon(1e-6));
  const Tensor dweight = kernels::conv2d_backward_weight(dy, x, c.weight(), c.options);
  CHECK(dweight.data<float>()[4 * 3] == Approx(64 * 1024 * 0.1f).epsilon(5e-6));  // the middle tap
}

TEST_CASE("conv2d of an empty batch is empty", "[conv2d]") {
  const Variable x(randn({0, 5, 5, 3}), true), weight(randn({4, 3, 3, 3}), true), bias(randn({4}), true);
  const Variable y = conv2d(x, weight, {.padding = 1}, {.bias = bias, .channel_bias = Variable(randn({0, 4}))});
  CHECK(y.shape() == Shape{0, 5, 5, 4});
  y.backward(Tensor::zeros(y.shape(), DType::f64));
  CHECK(difference(weight.grad(), Tensor::zeros({4, 3, 3, 3}, DType::f64)) == 0);
  CHECK(difference(bias.grad(), Tensor::zeros({4}, DType::f64)) == 0);
}

TEST_CASE("conv2d skips gradients nobody wants", "[conv2d]") {
  const Tensor x = randn({2, 4, 4, 3}), weight = randn({5, 3, 3, 3}), bias = randn({5});
  for (int which = 0; which < 3; ++which) {
    const Variable a(x, which == 0), b(weight, which == 1), c(bias, which == 2);
    const Variable y = conv2d(a, b, {.padding = 1}, {.bias = c});
    y.backward(randn(y.shape()));
    CHECK(a.grad().defined() == (which == 0));
    CHECK(b.grad().defined() == (which == 1));
    CHECK(c.grad().defined() == (which == 2));
  }
}

TEST_CASE("conv2d names the bad argument", "[conv2d][errors]") {
  const Tensor x = randn({2, 4, 5, 6}), weight = randn({8, 3, 3, 6});
  CHECK_THROWS_WITH(kernels::conv2d(randn({4, 5, 6}), weight), "conv2d: x must be (N, H, W, C), got (4, 5, 6)");
  CHECK_THROWS_WITH(kernels::conv2d(x, randn({8, 3, 3, 5})), "conv2d: weight must be (O, KH, KW, 6), got (8, 3, 3, 5)");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {.stride = 0}), "conv2d: stride must be at least 1, got 0");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {.padding = {0, 0, -1, 0}}),
                    "conv2d: padding must not be negative, got 0, 0, -1, 0");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {.groups = 4}), "conv2d: 6 channels do not split into 4 groups");
  CHECK_THROWS_WITH(kernels::conv2d(x, randn({8, 3, 3, 2}), {.groups = 3}),
                    "conv2d: 8 output channels do not split into 3 groups");
  CHECK_THROWS_WITH(kernels::conv2d(x, randn({8, 5, 3, 6})),
                    "conv2d: the kernel must fit into the padded image of 4 x 5, got 5 x 3");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight.to(DType::f32)), "conv2d: weight must be f64, got f32");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {}, {.bias = randn({7})}), "conv2d: bias must be (8), got (7)");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {}, {.channel_bias = randn({8})}),
                    "conv2d: channel_bias must be (2, 8), got (8)");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {}, {.residual = x}),
                    "conv2d: residual must be (2, 2, 3, 8), got (2, 4, 5, 6)");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {}, {.bias = randn({8}, DType::f32)}),
                    "conv2d: bias must be f64, got f32");
  CHECK_THROWS_WITH(kernels::conv2d_backward_input(x, weight, x.shape(), {}),
                    "conv2d_backward_input: dy must be (2, 2, 3, 8), got (2, 4, 5, 6)");
}
