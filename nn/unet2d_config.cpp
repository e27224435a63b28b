#include "nn/unet2d_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "nn/diffusers_version.h"

namespace imago::nn {
namespace {

using Json = nlohmann::json;

constexpr const char* kClassName = "UNet2DModel";
// What diffusers' training script leaves in the config of averaged weights.
constexpr const char* kAveragingKeys[] = {
    "decay",     "min_decay", "optimization_step", "update_after_step", "use_ema_warmup",
    "inv_gamma", "power"};

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

Json parse_object(std::string_view text) {
  std::set<std::string> seen;
  const auto refuse_duplicates = [&](int depth, Json::parse_event_t event, Json& value) {
    IMAGO_CHECK(event != Json::parse_event_t::key || depth > 1 ||
                    seen.insert(value.get<std::string>()).second,
                "UNet2D config: ", value.dump(), " is there twice");
    return depth <= 2;  // what is deeper would be refused anyway
  };
  const Json json = Json::parse(text, refuse_duplicates, /*allow_exceptions=*/false);
  IMAGO_CHECK(json.is_object(), "UNet2D config: the text must be a JSON object");
  return json;
}

std::string joined(const std::set<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

}  // namespace

std::string to_json(const UNet2DConfig& config) {
  Json json = {{"_class_name", kClassName}, {"_diffusers_version", kDiffusersVersion}};
  for_each_key(config, [&](const char* key, const auto& value) { json[key] = to_value(value); });
  return json.dump(2) + '\n';
}

UNet2DConfig parse_unet2d_config(std::string_view text) {
  const Json json = parse_object(text);
  const std::string name = json.value("_class_name", Json(kClassName)).dump();
  IMAGO_CHECK(name == Json(kClassName).dump(), "UNet2D config: _class_name must be \"", kClassName,
              "\", got ", name);
  IMAGO_CHECK(!json.contains("quantization_config"),
              "UNet2D config: quantised models are not supported");

  UNet2DConfig config;
  std::set<std::string> unknown;
  for (const auto& [key, value] : json.items())
    if (!key.starts_with('_') && !std::ranges::count(kAveragingKeys, key)) unknown.insert(key);
  for_each_key(config, [&](const char* key, auto& member) {
    unknown.erase(key);
    if (json.contains(key)) read(key, json[key], member);
  });
  IMAGO_CHECK(unknown.empty(), "UNet2D config: ", kClassName, " has no ", joined(unknown));
  return config;
}

}  // namespace imago::nn
