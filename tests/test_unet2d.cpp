#include <fstream>

#include "autograd/no_grad.h"
#include "nn/unet2d.h"
#include "tests/golden.h"

using namespace imago;
using namespace imago::test;
using nn::Init;
using nn::UNet2D;
using nn::UNet2DConfig;

namespace {

const char* const kGoldenUNets[] = {"default", "google", "film", "fourier", "learned", "resnet"};

// Published models, without the keys that do not change parameters.
const UNet2DConfig kButterflies = {
    .sample_size = nn::ImageSize{32, 32},
    .down_block_types = {"DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"},
    .up_block_types = {"AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"},
    .block_out_channels = {64, 128, 128, 256},
};
const UNet2DConfig kCifar10 = {
    .down_block_types = {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"},
    .up_block_types = {"UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"},
    .block_out_channels = {128, 256, 256, 256},
    .attention_head_dim = std::nullopt,
};
const UNet2DConfig kCelebaHq = {
    .down_block_types = {"DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D",
                         "AttnDownBlock2D", "DownBlock2D"},
    .up_block_types = {"UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D",
                       "UpBlock2D"},
    .block_out_channels = {128, 128, 256, 256, 512, 512},
    .attention_head_dim = std::nullopt,
};
const UNet2DConfig kTiny = {
    .down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
    .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
    .block_out_channels = {4, 8},
    .layers_per_block = 1,
    .norm_num_groups = 4,
};

UNet2DConfig with_channels(UNet2DConfig config, const std::vector<int64_t>& channels) {
  config.block_out_channels = channels;
  return config;
}

struct Run {
  Variable x, y;
  nn::NamedParameters parameters;
};

// The golden forward and backward pass, in `dtype`.
Run run(const Golden& golden, DType dtype) {
  const UNet2D unet(nn::parse_unet2d_config(golden.metadata("config")), Init::none(dtype));
  nn::load_state_dict(unet, golden.state("w."));
  const Tensor t = golden.load("in.t");
  Tensor labels = golden.contains("in.class_labels") ? golden.load("in.class_labels") : Tensor();
  if (labels.defined() && is_floating(labels.dtype())) labels = labels.to(dtype);
  Run result{.x = Variable(golden.image("in.x", dtype), true),
             .y = {},
             .parameters = nn::named_parameters(unet)};
  result.y = unet(result.x, is_floating(t.dtype()) ? t.to(dtype) : t, labels);
  result.y.backward(golden.image("in.dy", dtype));
  return result;
}

// `tolerance` is relative to the largest value. The keys' bias has no influence on the output, so
// its gradient is nothing but rounding: hence a floor, relative to the largest gradient of the
// model.
void check_against_diffusers(const Golden& golden, DType dtype, double output_tolerance,
                             double gradient_tolerance) {
  const Run result = run(golden, dtype);
  const Tensor y = golden.image("out.y", dtype), dx = golden.image("g.x", dtype);
  CHECK(largest_gap(result.y.value(), y) <= output_tolerance * std::max(1.0, largest(y)));
  CHECK(largest_gap(result.x.grad(), dx) <= gradient_tolerance * largest(dx));
  double scale = 0;
  for (const auto& [name, gradient] : golden.state("g."))
    scale = std::max(scale, largest(gradient));
  for (const auto& [name, parameter] : result.parameters) {
    CAPTURE(name);
    REQUIRE(parameter.requires_grad() == golden.contains("g." + name));
    if (!parameter.requires_grad()) continue;
    const Tensor gradient = golden.parameter("g." + name);
    CHECK(largest_gap(parameter.grad(), gradient) <=
          gradient_tolerance * (largest(gradient) + 1e-2 * scale));
  }
}

}  // namespace

TEST_CASE("UNet2D computes what diffusers computes", "[unet2d][golden]") {
  for (const std::string name : kGoldenUNets) {
    CAPTURE(name);
    const Golden golden("unet_" + name);
    check_against_diffusers(golden, DType::f64, 1e-6, 1e-6);
    check_against_diffusers(golden, DType::f32, name == "fourier" ? 2e-5 : 2e-6, 1e-5);
  }
}

TEST_CASE("UNet2D has diffusers' parameters, in its order", "[unet2d]") {
  const std::pair<const char*, const UNet2DConfig*> cases[] = {
      {"sd_class_butterflies_32", &kButterflies}, {"ddpm_cifar10_32", &kCifar10}};
  for (const auto& [name, config] : cases) {
    CAPTURE(name);
    std::ifstream list(std::string(IMAGO_GOLDEN_DIR) + "/keys/" + name + ".tsv");
    const nn::NamedParameters parameters = nn::named_parameters(UNet2D(*config, Init::none()));
    std::string key, extents;
    for (const auto& [parameter_name, parameter] : parameters) {
      REQUIRE(list >> key >> extents);
      const Shape s = parameter.shape();
      const Shape in_file = s.rank() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s;
      std::string ours;
      for (const int64_t extent : in_file)
        ours += (ours.empty() ? "" : ",") + std::to_string(extent);
      CHECK(parameter_name == key);
      CHECK(ours == extents);
    }
    CHECK_FALSE(list >> key);
  }
}

TEST_CASE("UNet2D has as many parameters as published models", "[unet2d]") {
  const auto count = [](const UNet2DConfig& config) {
    return nn::parameter_count(UNet2D(config, Init::none()));
  };
  CHECK(count(kTiny) == 11767);
  CHECK(count(kButterflies) == 18536323);
  CHECK(count(with_channels(kButterflies, {64, 128, 256, 512})) == 63151235);
  CHECK(count(kCifar10) == 35746307);
  CHECK(count(kCelebaHq) == 113673219);
  CHECK(count({}) == 274056163);
}

TEST_CASE("UNet2D starts with PyTorch's weights", "[unet2d][init]") {
  const UNet2D unet(kTiny, Init::torch(0));
  const nn::StateDict state = nn::state_dict(unet);
  const auto first = [&](const std::string& name, size_t i) {
    for (const auto& [key, value] : state)
      if (key == name) return value.to_vector<float>().at(i);
    return 0.0f;
  };
  CHECK(first("conv_in.weight", 0) == -0.0014408393f);
  CHECK(first("conv_in.weight", 1) == 0.1032386199f);
  CHECK(first("conv_in.weight", 2) == -0.1583951116f);
  CHECK(first("mid_block.attentions.0.to_q.weight", 0) == 0.1599536091f);
  CHECK(first("mid_block.attentions.0.to_q.weight", 1) == -0.2469542325f);
  CHECK(first("conv_out.bias", 0) == 0.0712283105f);
  CHECK(first("conv_out.bias", 1) == 0.0970864743f);
  CHECK(first("conv_out.bias", 2) == 0.0683689117f);
}

TEST_CASE("UNet2D takes one time step for a whole batch, and an empty batch", "[unet2d]") {
  const UNet2D unet(kTiny, Init::random(1));
  const NoGrad no_grad;
  const Variable x = randn({3, 8, 4, 3}, DType::f32);
  const Tensor together = unet(x, Tensor::from<int64_t>({7}, {})).value();
  CHECK(difference(together, unet(x, Tensor::from<int64_t>({7, 7, 7}, {3})).value()) == 0);
  CHECK(difference(together, unet(x, Tensor::from<float>({8, 8, 8}, {3})).value()) > 1e-4);
  CHECK(unet(Tensor({0, 8, 4, 3}), Tensor::from<int64_t>({7}, {})).shape() == Shape{0, 8, 4, 3});
}

TEST_CASE("UNet2D drops in training only, with the same masks for the same step",
          "[unet2d][dropout]") {
  UNet2DConfig config = kTiny;
  config.dropout = 0.5;
  const UNet2D unet(config, Init::random(1));
  const Variable x = randn({2, 8, 8, 3}, DType::f32);
  const Tensor t = Tensor::from<int64_t>({7}, {});
  const auto in_training = [&](uint64_t seed, uint32_t step) {
    const nn::Training training(seed, step);
    return unet(x, t).value();
  };
  CHECK(difference(in_training(3, 5), in_training(3, 5)) == 0);
  CHECK(difference(in_training(3, 5), in_training(3, 6)) > 1e-3);
  CHECK(difference(in_training(3, 5), unet(x, t).value()) > 1e-3);
}

TEST_CASE("UNet2D names the bad argument", "[unet2d][errors]") {
  const Tensor x = randn({2, 8, 8, 3}, DType::f32), t = Tensor::from<int64_t>({1, 2}, {2}),
               labels = t;
  const UNet2D unet(kTiny, Init::random(0));
  CHECK_THROWS_WITH(unet(randn({2, 8, 8, 1}), t),
                    "UNet2D: x must be (N, H, W, 3), got (2, 8, 8, 1)");
  CHECK_THROWS_WITH(unet(randn({2, 8, 7, 3}), t),
                    "UNet2D: height and width must be multiples of 2, got 8 x 7");
  CHECK_THROWS_WITH(unet(x, Tensor::from<int64_t>({1, 2, 3}, {3})),
                    "UNet2D: t must be (2) or a single value, got (3)");
  CHECK_THROWS_WITH(unet(x, t, labels),
                    "UNet2D: class_labels were given to a model without classes");
  UNet2DConfig config = kTiny;
  config.num_class_embeds = 10;
  CHECK_THROWS_WITH(UNet2D(config, Init::random(0))(x, t),
                    "UNet2D: class_labels must be given to a model with classes");
}
