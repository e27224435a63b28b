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
  CHECK(parse_unet2d_config(to_json(config)) == config);
  config.sample_size = nn::ImageSize{32, 64};
  config.time_embedding_dim = 100;
  config.mid_block_type = std::nullopt;
  config.attention_head_dim = std::nullopt;
  config.norm_eps = 1e-6;
  config.class_embed_type = "timestep";
  config.down_block_types = {"DownBlock2D"};
  CHECK(parse_unet2d_config(to_json(config)) == config);
  config.norm_num_groups = std::nullopt;
  config.freq_shift = 1;
  CHECK(parse_unet2d_config(to_json(config)) == config);
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
  CHECK(parse_unet2d_config("{}") == UNet2DConfig());
  CHECK(parse_unet2d_config("{}").attention_head_dim == 8);
  CHECK_FALSE(parse_unet2d_config(R"({"attention_head_dim": null})").attention_head_dim);
  CHECK(parse_unet2d_config(R"({"sample_size": [8, 16]})").sample_size == nn::ImageSize{8, 16});
  // What averaged weights and Python objects leave behind.
  CHECK(parse_unet2d_config(R"({"_name_or_path": "x", "decay": 0.9, "optimization_step": 1})") ==
        UNet2DConfig());
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
  CHECK_THROWS_WITH(parse_unet2d_config(R"({"brand_new": 1, "in_channels": 3, "bottom": null})"),
                    "UNet2D config: UNet2DModel has no bottom, brand_new");
  CHECK_THROWS_WITH(parse_unet2d_config(R"({"in_channels": 3, "in_channels": 4})"),
                    "UNet2D config: \"in_channels\" is there twice");
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
  CHECK(complaint([](UNet2DConfig& c) { c.up_block_types[1] = "DownBlock2D"; }) ==
        "UNet2D: up_block_types must be UpBlock2D, AttnUpBlock2D, ResnetUpsampleBlock2D, "
        "SkipUpBlock2D or AttnSkipUpBlock2D, got \"DownBlock2D\"");
  CHECK(complaint([](UNet2DConfig& c) { c.down_block_types[1] = "KDownBlock2D"; }) ==
        "UNet2D: down_block_types must be DownBlock2D, AttnDownBlock2D, "
        "ResnetDownsampleBlock2D, SkipDownBlock2D or AttnSkipDownBlock2D, got \"KDownBlock2D\"");
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
  CHECK(complaint([](UNet2DConfig& c) { c.layers_per_block = int64_t{1} << 60; }) ==
        "UNet2D: layers_per_block must be in [1, 1000], got 1152921504606846976");
  CHECK(complaint([](UNet2DConfig& c) { c.block_out_channels[2] = int64_t{1} << 62; }) ==
        "UNet2D: block_out_channels must be in [1, 1048576], got 4611686018427387904");
  CHECK(complaint([](UNet2DConfig& c) { c.dropout = 1; }) ==
        "UNet2D: dropout must be in [0, 1), got 1");
  CHECK(complaint([](UNet2DConfig& c) { c.norm_eps = -1; }) ==
        "UNet2D: norm_eps must not be negative, got -1");
  CHECK(complaint([](UNet2DConfig& c) { c.mid_block_scale_factor = 0; }) ==
        "UNet2D: mid_block_scale_factor must be positive, got 0");
}

TEST_CASE("a UNet2D config that contradicts itself says where", "[unet2d_config][errors]") {
  CHECK(complaint([](UNet2DConfig& c) {
          c.class_embed_type = "timestep";
          c.num_class_embeds = 7;
        }) ==
        "UNet2D: num_class_embeds must be null with class_embed_type timestep, which has no "
        "table, got 7");
  CHECK(complaint([](UNet2DConfig& c) { c.freq_shift = 112; }) ==
        "UNet2D: freq_shift must not be half of block_out_channels[0], got 112");
  CHECK(complaint([](UNet2DConfig& c) { c.norm_num_groups = std::nullopt; }) ==
        "UNet2D: norm_num_groups must be given for DownBlock2D");
}

TEST_CASE("a UNet2D config of Skip blocks is checked", "[unet2d_config][errors]") {
  const auto skip_complaint = [](const auto& change) {
    return complaint([&](UNet2DConfig& c) {
      c.down_block_types = {"SkipDownBlock2D", "AttnSkipDownBlock2D"};
      c.up_block_types = {"AttnSkipUpBlock2D", "SkipUpBlock2D"};
      c.block_out_channels = {32, 64};
      c.norm_num_groups = std::nullopt;
      change(c);
    });
  };
  CHECK(skip_complaint([](UNet2DConfig&) {}) == "");
  CHECK(skip_complaint([](UNet2DConfig& c) { c.in_channels = 1; }) ==
        "UNet2D: in_channels must be 3 with SkipDownBlock2D, got 1");
  CHECK(skip_complaint([](UNet2DConfig& c) { c.out_channels = 6; }) ==
        "UNet2D: out_channels must be 3 with AttnSkipUpBlock2D, got 6");
  CHECK(skip_complaint([](UNet2DConfig& c) { c.block_out_channels[0] = 33; }) ==
        "UNet2D: the 33 channels of down block 0 must split into 8 groups, as Skip blocks "
        "normalise them");
  CHECK(skip_complaint([](UNet2DConfig& c) { c.block_out_channels[1] = 72; }) ==
        "UNet2D: the 72 channels of down block 1 must split into 32 groups in front of the "
        "attention of AttnSkipDownBlock2D");
  CHECK(skip_complaint([](UNet2DConfig& c) {
          c.block_out_channels = {8, 32};
        }) ==
        "UNet2D: the 40 channels of layer 2 of up block 0, skip connection included must "
        "split into 32 groups, as Skip blocks normalise them");
  CHECK(skip_complaint([](UNet2DConfig& c) {
          c.down_block_types = {"DownBlock2D", "SkipDownBlock2D", "SkipDownBlock2D"};
          c.up_block_types = {"UpBlock2D", "UpBlock2D", "SkipUpBlock2D"};
          c.block_out_channels = {32, 32, 32};
          c.norm_num_groups = 32;
        }) == "UNet2D: down_block_types must not have DownBlock2D before SkipDownBlock2D");
  CHECK(skip_complaint([](UNet2DConfig& c) {
          c.up_block_types[1] = "UpBlock2D";
          c.norm_num_groups = 32;
        }) == "UNet2D: up_block_types must not have UpBlock2D behind AttnSkipUpBlock2D");
}
