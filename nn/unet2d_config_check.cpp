// Which configurations a UNet2D can be built from.
#include <algorithm>

#include "core/check.h"
#include "nn/activation.h"
#include "nn/skip_blocks.h"
#include "nn/unet2d_config.h"

namespace imago::nn {
namespace {

void check_sizes(const UNet2DConfig& c) {
  const size_t n = c.block_out_channels.size();
  IMAGO_CHECK(n >= 1 && c.down_block_types.size() == n && c.up_block_types.size() == n,
              "UNet2D: down_block_types, up_block_types and block_out_channels must be of the same "
              "length, got ",
              c.down_block_types.size(), ", ", c.up_block_types.size(), " and ", n);
  IMAGO_CHECK(n <= 32, "UNet2D: block_out_channels must be at most 32 numbers, got ", n);
  IMAGO_CHECK(c.in_channels >= 1 && c.out_channels >= 1,
              "UNet2D: in_channels and out_channels must be positive, got ", c.in_channels, " and ",
              c.out_channels);
  // Far beyond what anybody builds; without limits, checking alone could take for ever.
  constexpr int64_t kMostChannels = 1 << 20, kMostLayers = 1000;
  for (const int64_t channels : c.block_out_channels)
    IMAGO_CHECK(1 <= channels && channels <= kMostChannels, "UNet2D: block_out_channels must be in [1, ",
                kMostChannels, "], got ", channels);
  IMAGO_CHECK(1 <= c.layers_per_block && c.layers_per_block <= kMostLayers,
              "UNet2D: layers_per_block must be in [1, ", kMostLayers, "], got ", c.layers_per_block);
  IMAGO_CHECK(!c.sample_size || (c.sample_size->height >= 1 && c.sample_size->width >= 1 &&
                                 c.sample_size->height % c.downsampling() == 0 &&
                                 c.sample_size->width % c.downsampling() == 0),
              "UNet2D: sample_size must be a multiple of ", c.downsampling(), ", got ",
              c.sample_size->height, " x ", c.sample_size->width);
}

void check_embeddings(const UNet2DConfig& c) {
  const std::string& time = c.time_embedding_type;
  IMAGO_CHECK(time == "positional" || time == "fourier" || time == "learned",
              "UNet2D: time_embedding_type must be positional, fourier or learned, got \"", time,
              '"');
  IMAGO_CHECK(time != "learned" || c.num_train_timesteps,
              "UNet2D: num_train_timesteps must be given for a learned time embedding");
  IMAGO_CHECK(c.num_train_timesteps.value_or(1) >= 1,
              "UNet2D: num_train_timesteps must be positive, got ", *c.num_train_timesteps);
  const int64_t half = c.block_out_channels[0] / 2;
  IMAGO_CHECK(time != "positional" || half == 0 || c.freq_shift != half,
              "UNet2D: freq_shift must not be half of block_out_channels[0], got ", c.freq_shift);
  IMAGO_CHECK(c.embedding_width() >= 1, "UNet2D: time_embedding_dim must be positive, got ",
              c.embedding_width());
  IMAGO_CHECK(
      !c.class_embed_type || c.class_embed_type == "timestep" || c.class_embed_type == "identity",
      "UNet2D: class_embed_type must be null, timestep or identity, got \"", *c.class_embed_type,
      '"');
  IMAGO_CHECK(!c.class_embed_type || !c.num_class_embeds,
              "UNet2D: num_class_embeds must be null with class_embed_type ", *c.class_embed_type,
              ", which has no table, got ", *c.num_class_embeds);
  IMAGO_CHECK(c.num_class_embeds.value_or(1) >= 1,
              "UNet2D: num_class_embeds must be positive, got ", *c.num_class_embeds);
}

// One down block with the up block of the same depth from the bottom.
struct Level {
  std::string name;  // "down block 0"
  std::string type;
  BlockKind kind;
  int64_t channels;
};

std::vector<Level> down_levels(const UNet2DConfig& c) {
  std::vector<Level> levels;
  for (size_t i = 0; i < c.block_out_channels.size(); ++i)
    levels.push_back({concat("down block ", i), c.down_block_types[i],
                      down_block_kind(c.down_block_types[i], c.downsample_type),
                      c.block_out_channels[i]});
  return levels;
}

std::vector<Level> up_levels(const UNet2DConfig& c) {
  const size_t n = c.block_out_channels.size();
  std::vector<Level> levels;
  for (size_t i = 0; i < n; ++i)
    levels.push_back({concat("up block ", i), c.up_block_types[i],
                      up_block_kind(c.up_block_types[i], c.upsample_type),
                      c.block_out_channels[n - 1 - i]});
  return levels;
}

// Everything that is normalised splits into its groups.
void check_groups(const UNet2DConfig& c, const std::vector<Level>& down,
                  const std::vector<Level>& up) {
  IMAGO_CHECK(c.norm_num_groups.value_or(1) >= 1, "UNet2D: norm_num_groups must be positive, got ",
              *c.norm_num_groups);
  const auto check_skip = [&](int64_t channels, int64_t groups, const auto&... where) {
    IMAGO_CHECK(groups >= 1 && channels % groups == 0, "UNet2D: the ", channels, " channels of ",
                where..., " must split into ", groups, " groups, as Skip blocks normalise them");
  };
  const auto check = [&](int64_t channels, const auto&... where) {
    if (!c.norm_num_groups) return check_skip(channels, c.groups_of(channels), where...);
    IMAGO_CHECK(channels % *c.norm_num_groups == 0, "UNet2D: norm_num_groups must divide the ",
                channels, " channels of ", where..., ", got ", *c.norm_num_groups);
  };
  const auto check_level = [&](const Level& level, int64_t channels, int64_t skip_groups,
                               const auto&... where) {
    if (level.kind.skip) return check_skip(channels, skip_groups, where...);
    IMAGO_CHECK(c.norm_num_groups, "UNet2D: norm_num_groups must be given for ", level.type);
    check(channels, where...);
  };

  for (size_t i = 0; i < down.size(); ++i) {
    const int64_t in = down[i == 0 ? 0 : i - 1].channels, out = down[i].channels;
    check_level(down[i], in, skip_groups(in), down[i].name);
    check_level(down[i], out, skip_groups(out), down[i].name);
  }
  if (c.mid_block_type) check(down.back().channels, "the mid block");
  for (size_t i = 0; i < up.size(); ++i) {
    const Level& level = up[i];
    const int64_t out = level.channels, previous = up[i == 0 ? 0 : i - 1].channels;
    const int64_t below = up[std::min(i + 1, up.size() - 1)].channels;
    for (int64_t j = 0; j <= c.layers_per_block; ++j) {
      const int64_t x = j == 0 ? previous : out, skip = j == c.layers_per_block ? below : out;
      check_level(level, x + skip, skip_groups_up(x, skip, level.kind.attention), "layer ", j,
                  " of ", level.name, ", skip connection included");
    }
    check_level(level, out, skip_groups(out), level.name);
  }
  check(down.front().channels, "the last norm");
}

void check_attention(const UNet2DConfig& c, const std::vector<Level>& down,
                     const std::vector<Level>& up) {
  const auto check = [&](int64_t channels, const std::string& where) {
    IMAGO_CHECK(
        !c.attention_head_dim || (*c.attention_head_dim >= 1 && *c.attention_head_dim <= channels),
        "UNet2D: attention_head_dim must be in [1, ", channels, "] for the attention of ", where,
        ", got ", *c.attention_head_dim);
  };
  for (const std::vector<Level>* path : {&down, &up})
    for (const Level& level : *path) {
      if (!level.kind.attention) continue;
      check(level.channels, level.name);
      IMAGO_CHECK(!level.kind.skip || level.channels % kSkipAttentionGroups == 0, "UNet2D: the ",
                  level.channels, " channels of ", level.name, " must split into ",
                  kSkipAttentionGroups, " groups in front of the attention of ", level.type);
    }
  if (!c.mid_block_type || !c.add_attention) return;
  const int64_t channels = down.back().channels;
  check(channels, "the mid block");
  IMAGO_CHECK(!c.attn_norm_num_groups ||
                  (*c.attn_norm_num_groups >= 1 && channels % *c.attn_norm_num_groups == 0),
              "UNet2D: attn_norm_num_groups must divide the ", channels,
              " channels of the mid block, got ", *c.attn_norm_num_groups);
}

// The image that passes through Skip blocks has three channels, and the resolution of the hidden
// state as long as no block of another kind changes that of the hidden state alone.
void check_skip_image(const UNet2DConfig& c, const std::vector<Level>& down,
                      const std::vector<Level>& up) {
  const auto check_channels = [&](const char* key, int64_t channels, const Level& level) {
    IMAGO_CHECK(channels == kSkipImageChannels, "UNet2D: ", key, " must be ", kSkipImageChannels,
                " with ", level.type, ", got ", channels);
  };
  const Level* plain = nullptr;  // a block before this one that has no part in the image
  for (size_t i = 0; i + 1 < down.size(); ++i) {
    if (!down[i].kind.skip) plain = &down[i];
    if (!down[i].kind.skip) continue;
    check_channels("in_channels", c.in_channels, down[i]);
    IMAGO_CHECK(!plain, "UNet2D: down_block_types must not have ", plain->type, " before ",
                down[i].type);
  }
  const Level* skip = nullptr;  // a block before this one that has
  for (size_t i = 0; i < up.size(); ++i) {
    IMAGO_CHECK(!skip || up[i].kind.skip, "UNet2D: up_block_types must not have ", up[i].type,
                " behind ", skip->type);
    if (!up[i].kind.skip || i + 1 == up.size()) continue;
    check_channels("out_channels", c.out_channels, up[i]);
    skip = &up[i];
  }
}

}  // namespace

int64_t UNet2DConfig::groups_of(int64_t channels) const {
  return norm_num_groups.value_or(skip_groups(channels));
}

void UNet2DConfig::check() const {
  check_sizes(*this);
  check_embeddings(*this);
  activation_named(act_fn);
  IMAGO_CHECK(dropout >= 0 && dropout < 1, "UNet2D: dropout must be in [0, 1), got ", dropout);
  IMAGO_CHECK(norm_eps >= 0, "UNet2D: norm_eps must not be negative, got ", norm_eps);
  IMAGO_CHECK(mid_block_scale_factor > 0, "UNet2D: mid_block_scale_factor must be positive, got ",
              mid_block_scale_factor);
  IMAGO_CHECK(downsample_padding == 0 || downsample_padding == 1,
              "UNet2D: downsample_padding must be 0 or 1, got ", downsample_padding);
  IMAGO_CHECK(resnet_time_scale_shift == "default" || resnet_time_scale_shift == "scale_shift",
              "UNet2D: resnet_time_scale_shift must be default or scale_shift, got \"",
              resnet_time_scale_shift, '"');
  const std::vector<Level> down = down_levels(*this), up = up_levels(*this);
  check_attention(*this, down, up);
  check_groups(*this, down, up);
  check_skip_image(*this, down, up);
}

}  // namespace imago::nn
