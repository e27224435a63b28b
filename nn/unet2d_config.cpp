#include "nn/unet2d_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "nn/activation.h"
#include "nn/diffusers_version.h"
#include "nn/unet_blocks.h"

namespace imago::nn {
namespace {

using Json = nlohmann::json;

constexpr const char* kClassName = "UNet2DModel";

// Every key with its member, for reading and writing alike.
template <typename Config, typename F>
void for_each_key(Config& c, F&& f) {
  f("sample_size", c.sample_size);
  f("in_channels", c.in_channels);
  f("out_channels", c.out_channels);
  f("center_input_sample", c.center_input_sample);
  f("time_embedding_type", c.time_embedding_type);
  f("time_embedding_dim", c.time_embedding_dim);
  f("freq_shift", c.freq_shift);
  f("flip_sin_to_cos", c.flip_sin_to_cos);
  f("down_block_types", c.down_block_types);
  f("mid_block_type", c.mid_block_type);
  f("up_block_types", c.up_block_types);
  f("block_out_channels", c.block_out_channels);
  f("layers_per_block", c.layers_per_block);
  f("mid_block_scale_factor", c.mid_block_scale_factor);
  f("downsample_padding", c.downsample_padding);
  f("downsample_type", c.downsample_type);
  f("upsample_type", c.upsample_type);
  f("dropout", c.dropout);
  f("act_fn", c.act_fn);
  f("attention_head_dim", c.attention_head_dim);
  f("norm_num_groups", c.norm_num_groups);
  f("attn_norm_num_groups", c.attn_norm_num_groups);
  f("norm_eps", c.norm_eps);
  f("resnet_time_scale_shift", c.resnet_time_scale_shift);
  f("add_attention", c.add_attention);
  f("class_embed_type", c.class_embed_type);
  f("num_class_embeds", c.num_class_embeds);
  f("num_train_timesteps", c.num_train_timesteps);
}

[[noreturn]] void wrong_type(const std::string& key, const char* wanted, const Json& value) {
  fail("UNet2D config: ", key, " must be ", wanted, ", got ", value.dump());
}

void read(const std::string& key, const Json& value, int64_t& out) {
  if (!value.is_number_integer()) wrong_type(key, "an integer", value);
  out = value.get<int64_t>();
}

void read(const std::string& key, const Json& value, double& out) {
  if (!value.is_number()) wrong_type(key, "a number", value);
  out = value.get<double>();
}

void read(const std::string& key, const Json& value, bool& out) {
  if (!value.is_boolean()) wrong_type(key, "true or false", value);
  out = value.get<bool>();
}

void read(const std::string& key, const Json& value, std::string& out) {
  if (!value.is_string()) wrong_type(key, "a string", value);
  out = value.get<std::string>();
}

void read(const std::string& key, const Json& value, ImageSize& out) {
  if (value.is_array() && value.size() == 2) {
    read(key, value[0], out.height);
    read(key, value[1], out.width);
  } else {
    if (!value.is_number_integer()) wrong_type(key, "an integer or [height, width]", value);
    out.height = out.width = value.get<int64_t>();
  }
}

template <typename T>
void read(const std::string& key, const Json& value, std::vector<T>& out) {
  if (!value.is_array()) wrong_type(key, "a list", value);
  out.assign(value.size(), T());
  for (size_t i = 0; i < value.size(); ++i) read(key, value[i], out[i]);
}

template <typename T>
void read(const std::string& key, const Json& value, std::optional<T>& out) {
  out.reset();
  if (!value.is_null()) read(key, value, out.emplace());
}

template <typename T>
Json to_value(const T& value) {
  return value;
}

Json to_value(const ImageSize& size) {
  if (size.height == size.width) return size.height;
  return {size.height, size.width};
}

template <typename T>
Json to_value(const std::optional<T>& value) {
  return value ? to_value(*value) : Json();
}

// The widths of everything that is normalised with norm_num_groups divide by it.
void check_groups(const UNet2DConfig& c) {
  const auto check = [&](int64_t channels, const auto&... where) {
    IMAGO_CHECK(channels % c.norm_num_groups == 0, "UNet2D: norm_num_groups must divide the ",
                channels, " channels of ", where..., ", got ", c.norm_num_groups);
  };
  const std::vector<int64_t>& width = c.block_out_channels;
  const size_t n = width.size();
  for (size_t i = 0; i < n; ++i) check(width[i], "down block ", i);
  for (size_t i = 0; i < n; ++i) {
    const int64_t out = width[n - 1 - i], previous = i == 0 ? out : width[n - i];
    const int64_t skip = width[n - 1 - std::min(i + 1, n - 1)];
    for (int64_t j = 0; j <= c.layers_per_block; ++j)
      check((j == 0 ? previous : out) + (j == c.layers_per_block ? skip : out), "layer ", j,
            " of up block ", i, ", skip connection included");
  }
}

void check_attention(const UNet2DConfig& c) {
  const auto check = [&](int64_t channels, const char* path, size_t i) {
    IMAGO_CHECK(
        !c.attention_head_dim || (*c.attention_head_dim >= 1 && *c.attention_head_dim <= channels),
        "UNet2D: attention_head_dim must be in [1, ", channels, "] for the attention of ", path,
        " block ", i, ", got ", *c.attention_head_dim);
  };
  const size_t n = c.block_out_channels.size();
  for (size_t i = 0; i < n; ++i) {
    const int64_t down = c.block_out_channels[i], up = c.block_out_channels[n - 1 - i];
    if (down_block_kind(c.down_block_types[i], c.downsample_type).attention) check(down, "down", i);
    if (up_block_kind(c.up_block_types[i], c.upsample_type).attention) check(up, "up", i);
  }
  if (!c.mid_block_type || !c.add_attention) return;
  check(c.block_out_channels.back(), "mid", 0);
  IMAGO_CHECK(
      !c.attn_norm_num_groups || (*c.attn_norm_num_groups >= 1 &&
                                  c.block_out_channels.back() % *c.attn_norm_num_groups == 0),
      "UNet2D: attn_norm_num_groups must divide the ", c.block_out_channels.back(),
      " channels of the mid block, got ", *c.attn_norm_num_groups);
}

void check_embeddings(const UNet2DConfig& c) {
  const std::string& time = c.time_embedding_type;
  IMAGO_CHECK(time == "positional" || time == "fourier" || time == "learned",
              "UNet2D: time_embedding_type must be positional, fourier or learned, got \"", time,
              '"');
  IMAGO_CHECK(time != "learned" || c.num_train_timesteps.value_or(0) >= 1,
              "UNet2D: num_train_timesteps must be given for a learned time embedding");
  IMAGO_CHECK(
      !c.class_embed_type || c.class_embed_type == "timestep" || c.class_embed_type == "identity",
      "UNet2D: class_embed_type must be null, timestep or identity, got \"", *c.class_embed_type,
      '"');
  IMAGO_CHECK(c.embedding_width() >= 1, "UNet2D: time_embedding_dim must be positive, got ",
              c.embedding_width());
  IMAGO_CHECK(c.num_class_embeds.value_or(1) >= 1,
              "UNet2D: num_class_embeds must be positive, got ", *c.num_class_embeds);
}

}  // namespace

void UNet2DConfig::check() const {
  const size_t n = block_out_channels.size();
  IMAGO_CHECK(n >= 1 && down_block_types.size() == n && up_block_types.size() == n,
              "UNet2D: down_block_types, up_block_types and block_out_channels must be of the same "
              "length, got ",
              down_block_types.size(), ", ", up_block_types.size(), " and ", n);
  IMAGO_CHECK(in_channels >= 1 && out_channels >= 1,
              "UNet2D: in_channels and out_channels must be positive, got ", in_channels, " and ",
              out_channels);
  IMAGO_CHECK(std::ranges::min(block_out_channels) >= 1,
              "UNet2D: block_out_channels must be positive, got ",
              std::ranges::min(block_out_channels));
  IMAGO_CHECK(layers_per_block >= 1, "UNet2D: layers_per_block must be positive, got ",
              layers_per_block);
  IMAGO_CHECK(norm_num_groups >= 1, "UNet2D: norm_num_groups must be positive, got ",
              norm_num_groups);
  IMAGO_CHECK(dropout >= 0 && dropout < 1, "UNet2D: dropout must be in [0, 1), got ", dropout);
  IMAGO_CHECK(mid_block_scale_factor > 0, "UNet2D: mid_block_scale_factor must be positive, got ",
              mid_block_scale_factor);
  IMAGO_CHECK(downsample_padding == 0 || downsample_padding == 1,
              "UNet2D: downsample_padding must be 0 or 1, got ", downsample_padding);
  IMAGO_CHECK(resnet_time_scale_shift == "default" || resnet_time_scale_shift == "scale_shift",
              "UNet2D: resnet_time_scale_shift must be default or scale_shift, got \"",
              resnet_time_scale_shift, '"');
  IMAGO_CHECK(!sample_size || (sample_size->height % downsampling() == 0 &&
                               sample_size->width % downsampling() == 0),
              "UNet2D: sample_size must be a multiple of ", downsampling(), ", got ",
              sample_size->height, " x ", sample_size->width);
  activation_named(act_fn);
  check_embeddings(*this);
  check_attention(*this);
  check_groups(*this);
}

std::string to_json(const UNet2DConfig& config) {
  Json json = {{"_class_name", kClassName}, {"_diffusers_version", kDiffusersVersion}};
  for_each_key(config, [&](const char* key, const auto& value) { json[key] = to_value(value); });
  return json.dump(2) + '\n';
}

ParsedUNet2DConfig parse_unet2d_config(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  IMAGO_CHECK(json.is_object(), "UNet2D config: the text must be a JSON object");
  const std::string name = json.value("_class_name", Json(kClassName)).dump();
  IMAGO_CHECK(name == Json(kClassName).dump(), "UNet2D config: _class_name must be \"", kClassName,
              "\", got ", name);
  IMAGO_CHECK(!json.contains("quantization_config"),
              "UNet2D config: quantised models are not supported");

  ParsedUNet2DConfig result;
  std::vector<std::string> known;
  for_each_key(result.config, [&](const char* key, auto& member) {
    known.push_back(key);
    if (json.contains(key)) read(key, json[key], member);
  });
  for (const auto& [key, value] : json.items())
    if (!key.starts_with('_') && !std::ranges::count(known, key))
      result.unknown_keys.push_back(key);
  return result;
}

}  // namespace imago::nn
