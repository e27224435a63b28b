#include "autograd/no_grad.h"
#include "nn/attention.h"
#include "nn/resnet_block.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using nn::Init;
using nn::Resample;

namespace {

constexpr int64_t kEmbedding = 5;

nn::ResnetBlock2D block(int64_t in, int64_t out, nn::ResnetOptions options) {
  options.embedding = kEmbedding;
  options.groups = 2;
  return nn::ResnetBlock2D(Init::random(3, DType::f64), in, out, options);
}

}  // namespace

TEST_CASE("resnet block gradients match finite differences", "[resnet_block][gradient]") {
  const nn::ResnetOptions cases[] = {
      {.scale_shift = false},
      {.scale_shift = true},
      {.dropout = 0.4},
      {.activation = UnaryOp::gelu, .output_scale_factor = 1.5},
      {.scale_shift = true, .dropout = 0.2, .resample = Resample::down},
      {.resample = Resample::up},
      {.groups_out = 1, .resample = Resample::fir_down, .always_shortcut = true},
      {.resample = Resample::fir_up},
  };
  for (const nn::ResnetOptions& options : cases)
    for (const int64_t out : {4, 6}) {
      CAPTURE(out, options.scale_shift, options.dropout, int(options.resample));
      const nn::ResnetBlock2D layer = block(4, out, options);
      const auto f = [&](const std::vector<Variable>& v) {
        const nn::Training training(1, 2);  // the same masks at every call
        return layer(v[0], v[1]);
      };
      CHECK(gradient_error(f, {randn({2, 4, 6, 4}), randn({2, kEmbedding})}) < kGradientTolerance);
    }
}

TEST_CASE("attention block gradients match finite differences", "[attention_block][gradient]") {
  const nn::AttentionOptions cases[] = {{.head_dim = 2, .groups = 2},
                                        {.head_dim = 4, .groups = std::nullopt},
                                        {.head_dim = 3, .groups = 4, .output_scale_factor = 2}};
  for (const nn::AttentionOptions& options : cases) {
    CAPTURE(options.head_dim);
    const nn::Attention layer(Init::random(3, DType::f64), 4, options);
    const auto f = [&](const std::vector<Variable>& v) { return layer(v[0]); };
    CHECK(gradient_error(f, {randn({2, 2, 3, 4})}) < kGradientTolerance);
  }
}

TEST_CASE("a resnet block halves or doubles the resolution", "[resnet_block]") {
  const Tensor x = randn({1, 4, 6, 4}), embedding = randn({1, kEmbedding});
  CHECK(block(4, 6, {})(x, embedding).shape() == Shape{1, 4, 6, 6});
  CHECK(block(4, 6, {.resample = Resample::down})(x, embedding).shape() == Shape{1, 2, 3, 6});
  CHECK(block(4, 6, {.resample = Resample::up})(x, embedding).shape() == Shape{1, 8, 12, 6});
}

TEST_CASE("fir_down filters and takes every second pixel", "[resample]") {
  const Variable x(randn({2, 4, 6, 3}));
  std::vector<double> filter;  // (1, 3, 3, 1) / 8 times itself, once for each channel
  for (int c = 0; c < 3; ++c)
    for (const double row : {1, 3, 3, 1})
      for (const double column : {1, 3, 3, 1}) filter.push_back(row * column / 64);
  const Tensor weight = Tensor::from<double>(filter, {3, 4, 4, 1});
  const Variable expected = conv2d(x, weight, {.stride = 2, .padding = 1, .groups = 3});
  const Variable y = nn::resample(x, Resample::fir_down);
  CHECK(y.shape() == Shape{2, 2, 3, 3});
  CHECK(difference(y.value(), expected.value()) < tolerance(DType::f64));
}

// Half way between pixels 3/4 of the nearer and 1/4 of the farther one are seen, in both directions; beyond the edge
// there is nothing.
TEST_CASE("fir_up interpolates", "[resample]") {
  const Tensor x = Tensor::from<double>({64, 0, 0, 16}, {1, 2, 2, 1});
  const std::vector<double> y = nn::resample(x, Resample::fir_up).value().to_vector<double>();
  const std::vector<double> of_first = {36, 36, 12, 0, 36, 36, 12, 0, 12, 12, 4, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < 16; ++i)  // the last pixel is the first one, turned round, at a quarter
    CHECK(y[i] == Approx(of_first[i] + of_first[15 - i] / 4));
}

TEST_CASE("a downsampler without padding sees zeros at the bottom and at the right", "[resample]") {
  const nn::Downsample2D layer(Init::random(0, DType::f64), 3, /*padding=*/0);
  const nn::NamedParameters p = nn::named_parameters(layer);
  const Variable x(randn({2, 4, 6, 3}));
  const Variable expected =
      conv2d(pad(x, Padding(0, 1, 0, 1)), p[0].second, {.stride = 2}, {.bias = p[1].second});
  CHECK(layer(x).shape() == Shape{2, 2, 3, 3});
  CHECK(difference(layer(x).value(), expected.value()) < tolerance(DType::f64));
}

TEST_CASE("dropout drops in training only, every time elsewhere", "[dropout]") {
  const Variable x(Tensor::full({1000}, 1), true);
  const nn::Dropout dropout(0.25);
  CHECK(difference(dropout(x).value(), x.value()) == 0);
  const nn::Training training(1, 2);
  const Tensor first = dropout(x).value(), second = dropout(x).value();
  CHECK(difference(first, second) > 0.5);
  const std::vector<float> v = first.to_vector<float>();
  const auto zeros = std::count(v.begin(), v.end(), 0.0f);
  CHECK(zeros > 200);
  CHECK(zeros < 300);
  CHECK(zeros + std::count(v.begin(), v.end(), 1 / 0.75f) == 1000);
  {
    const nn::Training again(1, 2);
    CHECK(difference(dropout(x).value(), first) == 0);
  }
  {
    const NoGrad no_grad;
    CHECK(difference(dropout(x).value(), x.value()) == 0);
  }
  CHECK(difference(nn::Dropout(0)(x).value(), x.value()) == 0);
  CHECK_THROWS_WITH(nn::Dropout(1), "Dropout: p must be in [0, 1), got 1");
}

TEST_CASE("an attention block names the bad argument", "[attention_block][errors]") {
  CHECK_THROWS_WITH(nn::Attention(Init::none(), 4, {.head_dim = 5}),
                    "Attention: head_dim must be in [1, 4], got 5");
  CHECK_THROWS_WITH(nn::Attention(Init::none(), 4, {.head_dim = 2, .groups = 3}),
                    "GroupNorm: 4 channels do not split into 3 groups");
}
