// The configuration of a UNet2D: the keys of diffusers' config.json, with its names and defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imago::nn {

struct ImageSize {
  int64_t height, width;
  bool operator==(const ImageSize&) const = default;
};

struct UNet2DConfig {
  // What to sample. The network itself takes any height and width that are multiples of
  // downsampling(): otherwise what comes up again would not have the size of what went down.
  std::optional<ImageSize> sample_size = {};
  int64_t in_channels = 3, out_channels = 3;
  bool center_input_sample = false;  // the input is in [0, 1] and becomes 2 x - 1

  std::string time_embedding_type = "positional";  // or "fourier", "learned"
  std::optional<int64_t> time_embedding_dim = {};  // 4 * block_out_channels[0]
  int64_t freq_shift = 0;
  bool flip_sin_to_cos = true;

  // From the full resolution down, and from the lowest up: DownBlock2D, AttnDownBlock2D,
  // ResnetDownsampleBlock2D, SkipDownBlock2D, AttnSkipDownBlock2D, and UpBlock2D, AttnUpBlock2D,
  // ResnetUpsampleBlock2D, SkipUpBlock2D, AttnSkipUpBlock2D. One number of channels for each pair.
  std::vector<std::string> down_block_types = {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D",
                                               "AttnDownBlock2D"};
  std::optional<std::string> mid_block_type = "UNetMidBlock2D";  // none: no such block
  std::vector<std::string> up_block_types = {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D",
                                             "UpBlock2D"};
  std::vector<int64_t> block_out_channels = {224, 448, 672, 896};
  int64_t layers_per_block = 2;
  double mid_block_scale_factor = 1;
  int64_t downsample_padding = 1;
  std::string downsample_type = "conv";  // or "resnet"; counts for blocks with attention only
  std::string upsample_type = "conv";
  double dropout = 0;
  std::string act_fn = "silu";
  std::optional<int64_t> attention_head_dim = 8;  // channels per head; none: one head
  std::optional<int64_t> norm_num_groups = 32;  // none, in nets of Skip blocks: see groups_of()
  std::optional<int64_t> attn_norm_num_groups = {};  // in front of the mid block's attention
  double norm_eps = 1e-5;
  std::string resnet_time_scale_shift = "default";  // or "scale_shift"
  bool add_attention = true;                        // in the mid block

  std::optional<std::string> class_embed_type = {};  // "timestep", "identity"; none: a table
  std::optional<int64_t> num_class_embeds = {};      // rows of that table; none: no classes
  std::optional<int64_t> num_train_timesteps = {};   // rows of the learned time embedding

  bool operator==(const UNet2DConfig&) const = default;

  // Throws if no UNet2D can be built from this, or if imago cannot build it.
  void check() const;

  // The width of the time embedding.
  int64_t embedding_width() const {
    return time_embedding_dim.value_or(4 * block_out_channels.at(0));
  }
  // How often the resolution is halved, as a factor: H and W must be multiples of it.
  int64_t downsampling() const { return int64_t{1} << (block_out_channels.size() - 1); }
  // The groups that the mid block and the last norm have.
  int64_t groups_of(int64_t channels) const;
  bool has_classes() const { return class_embed_type || num_class_embeds; }
};

// The text of config.json, every key written out, sorted as diffusers does.
std::string to_json(const UNet2DConfig& config);

// Absent keys take their defaults. Keys that begin with _ are not looked at, nor are those that
// diffusers' moving average of weights adds. Throws if the text is not JSON, is for another class of
// models, has an unknown key, or a value of the wrong type; does not check() the configuration.
UNet2DConfig parse_unet2d_config(std::string_view json);

}  // namespace imago::nn
