#include "nn/unet2d_config.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using nn::parse_unet2d_config;
using nn::UNet2DConfig;

namespace {

// What check() says about the default configuration with one change.
template <typename Change>
std::string complaint(Change change) {
  UNet2DConfig config;
  change(config);
  try {
    config.check();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a UNet2D config survives its JSON", "[unet2d_config]") {
  UNet2DConfig config;
  CHECK(parse_unet2d_config(to_json(config)).config == config);
  config.sample_size = nn::ImageSize{32, 64};
  config.time_embedding_dim = 100;
  config.mid_block_type = std::nullopt;
  config.attention_head_dim = std::nullopt;
  config.norm_eps = 1e-6;
  config.class_embed_type = "timestep";
  config.down_block_types = {"DownBlock2D"};
  CHECK(parse_unet2d_config(to_json(config)).config == config);
  CHECK(parse_unet2d_config(to_json(config)).unknown_keys.empty());
}

TEST_CASE("a UNet2D config is written as diffusers writes it", "[unet2d_config]") {
  UNet2DConfig config;
  config.sample_size = nn::ImageSize{32, 32};
  config.block_out_channels = {64};
  const std::string json = to_json(config);
  CHECK_THAT(json, Catch::StartsWith(
                       "{\n  \"_class_name\": \"UNet2DModel\",\n  \"_diffusers_version\": "));
  CHECK_THAT(json, Contains("\n  \"sample_size\": 32,\n") &&
                       Contains("\n  \"attn_norm_num_groups\": null,\n") &&
                       Contains("\n  \"norm_eps\": 1e-05,\n") &&
                       Contains("\"block_out_channels\": [\n    64\n  ]"));
  CHECK_THAT(json, Catch::EndsWith("\"upsample_type\": \"conv\"\n}\n"));
}

TEST_CASE("keys that a UNet2D config lacks take diffusers' defaults", "[unet2d_config]") {
  CHECK(parse_unet2d_config("{}").config == UNet2DConfig());
  CHECK(parse_unet2d_config("{}").config.attention_head_dim == 8);
  CHECK_FALSE(parse_unet2d_config(R"({"attention_head_dim": null})").config.attention_head_dim);
  CHECK(parse_unet2d_config(R"({"sample_size": [8, 16]})").config.sample_size ==
        nn::ImageSize{8, 16});
  CHECK(
      parse_unet2d_config(R"({"_name_or_path": "x", "decay": 0.9, "brand_new": 1})").unknown_keys ==
      std::vector<std::string>{"brand_new", "decay"});
}

TEST_CASE("a UNet2D config of another kind is refused", "[unet2d_config][errors]") {
  CHECK_THROWS_WITH(parse_unet2d_config("[1]"), "UNet2D config: the text must be a JSON object");
  CHECK_THROWS_WITH(parse_unet2d_config("{\"in_channels\": 3"),
                    "UNet2D config: the text must be a JSON object");
  CHECK_THROWS_WITH(
      parse_unet2d_config(R"({"_class_name": "UNet2DConditionModel"})"),
      "UNet2D config: _class_name must be \"UNet2DModel\", got \"UNet2DConditionModel\"");
  CHECK_THROWS_WITH(parse_unet2d_config(R"({"in_channels": "3"})"),
                    "UNet2D config: in_channels must be an integer, got \"3\"");
  CHECK_THROWS_WITH(parse_unet2d_config(R"({"block_out_channels": [32, 1.5]})"),
                    "UNet2D config: block_out_channels must be an integer, got 1.5");
  CHECK_THROWS_WITH(parse_unet2d_config(R"({"quantization_config": {}})"),
                    "UNet2D config: quantised models are not supported");
}

TEST_CASE("a UNet2D config that cannot be built says why", "[unet2d_config][errors]") {
  CHECK(complaint([](UNet2DConfig&) {}) == "");
  CHECK(complaint([](UNet2DConfig& c) { c.down_block_types.front() = "UNetResDownBlock2D"; }) ==
        "");
  CHECK(complaint([](UNet2DConfig& c) { c.block_out_channels.pop_back(); }) ==
        "UNet2D: down_block_types, up_block_types and block_out_channels must be of the same "
        "length, got 4, 4 and 3");
  CHECK(complaint([](UNet2DConfig& c) { c.down_block_types[1] = "SkipDownBlock2D"; }) ==
        "UNet2D: SkipDownBlock2D (NCSN++) is not supported yet");
  CHECK(complaint([](UNet2DConfig& c) { c.up_block_types[1] = "DownBlock2D"; }) ==
        "UNet2D: block type must be UpBlock2D, AttnUpBlock2D or ResnetUpsampleBlock2D, got "
        "\"DownBlock2D\"");
  CHECK(complaint([](UNet2DConfig& c) { c.norm_num_groups = 64; }) ==
        "UNet2D: norm_num_groups must divide the 224 channels of down block 0, got 64");
  CHECK(complaint([](UNet2DConfig& c) { c.norm_num_groups = 0; }) ==
        "UNet2D: norm_num_groups must be positive, got 0");
  CHECK(
      complaint([](UNet2DConfig& c) { c.attention_head_dim = 500; }) ==
      "UNet2D: attention_head_dim must be in [1, 448] for the attention of down block 1, got 500");
  CHECK(complaint([](UNet2DConfig& c) { c.attn_norm_num_groups = 33; }) ==
        "UNet2D: attn_norm_num_groups must divide the 896 channels of the mid block, got 33");
  CHECK(complaint([](UNet2DConfig& c) {
          c.sample_size = nn::ImageSize{32, 36};
        }) == "UNet2D: sample_size must be a multiple of 8, got 32 x 36");
  CHECK(complaint([](UNet2DConfig& c) { c.downsample_type = "fir"; }) ==
        "UNet2D: downsample_type and upsample_type must be conv or resnet, got \"fir\"");
  CHECK(complaint([](UNet2DConfig& c) { c.resnet_time_scale_shift = "spatial"; }) ==
        "UNet2D: resnet_time_scale_shift must be default or scale_shift, got \"spatial\"");
  CHECK(complaint([](UNet2DConfig& c) { c.time_embedding_type = "learned"; }) ==
        "UNet2D: num_train_timesteps must be given for a learned time embedding");
  CHECK(complaint([](UNet2DConfig& c) { c.time_embedding_type = "rotary"; }) ==
        "UNet2D: time_embedding_type must be positional, fourier or learned, got \"rotary\"");
  CHECK(complaint([](UNet2DConfig& c) { c.class_embed_type = "projection"; }) ==
        "UNet2D: class_embed_type must be null, timestep or identity, got \"projection\"");
  CHECK(complaint([](UNet2DConfig& c) { c.act_fn = "selu"; }) ==
        "activation: name must be silu, swish, mish, gelu or relu, got \"selu\"");
  CHECK(complaint([](UNet2DConfig& c) { c.downsample_padding = 2; }) ==
        "UNet2D: downsample_padding must be 0 or 1, got 2");
  CHECK(complaint([](UNet2DConfig& c) { c.dropout = 1; }) ==
        "UNet2D: dropout must be in [0, 1), got 1");
}
