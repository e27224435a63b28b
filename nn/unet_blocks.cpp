#include "nn/unet_blocks.h"

namespace imago::nn {
namespace {

Attention make_attention(const Init& init, int64_t channels, const BlockOptions& options,
                         std::optional<int64_t> groups) {
  return Attention(init, channels,
                   {.head_dim = options.head_dim.value_or(channels),
                    .groups = groups,
                    .eps = options.resnet.eps,
                    .output_scale_factor = options.resnet.output_scale_factor});
}

ResnetOptions with(ResnetOptions options, Resample direction) {
  options.resample = direction;
  return options;
}

// <direction>Block2D with what stands in front of it; old files put UNetRes in front of that.
BlockKind block_kind(std::string name, const std::string& direction,
                     const std::string& resampler_type) {
  if (name.starts_with("UNetRes")) name = name.substr(7);
  if (name == direction + "Block2D") return {.attention = false, .resampler = Resampler::conv};
  if (name == "Resnet" + direction + "sampleBlock2D")
    return {.attention = false, .resampler = Resampler::resnet};
  if (name == "Attn" + direction + "Block2D") {
    IMAGO_CHECK(resampler_type == "conv" || resampler_type == "resnet",
                "UNet2D: downsample_type and upsample_type must be conv or resnet, got \"",
                resampler_type, '"');
    return {.attention = true,
            .resampler = resampler_type == "conv" ? Resampler::conv : Resampler::resnet};
  }
  if (name == "Skip" + direction + "Block2D") return {.attention = false, .skip = true};
  if (name == "AttnSkip" + direction + "Block2D") return {.attention = true, .skip = true};
  fail("UNet2D: ", direction == "Down" ? "down_block_types" : "up_block_types", " must be ",
       direction, "Block2D, Attn", direction, "Block2D, Resnet", direction, "sampleBlock2D, Skip",
       direction, "Block2D or AttnSkip", direction, "Block2D, got \"", name, '"');
}

}  // namespace

BlockKind down_block_kind(const std::string& name, const std::string& resampler_type) {
  return block_kind(name, "Down", resampler_type);
}

BlockKind up_block_kind(const std::string& name, const std::string& resampler_type) {
  return block_kind(name, "Up", resampler_type);
}

DownBlock::DownBlock(const Init& init, int64_t in, int64_t out, bool attention, Resampler resampler,
                     const BlockOptions& options) {
  for (int64_t j = 0; j < options.layers; ++j) {
    resnets_.emplace_back(init, j == 0 ? in : out, out, options.resnet);
    if (attention) attentions_.push_back(make_attention(init, out, options, options.resnet.groups));
  }
  if (resampler == Resampler::conv)
    conv_downsampler_.emplace(init, out, options.downsample_padding);
  if (resampler == Resampler::resnet)
    resnet_downsampler_.emplace(init, out, out, with(options.resnet, Resample::down));
}

void DownBlock::set_gradient_checkpointing(GradientCheckpointing level) {
  set_level(level, attentions_, resnets_, resnet_downsampler_);
}

Variable DownBlock::operator()(Variable x, const Variable& embedding,
                               std::vector<Variable>& skips) const {
  for (size_t j = 0; j < resnets_.size(); ++j) {
    x = resnets_[j](x, embedding);
    if (!attentions_.empty()) x = attentions_[j](x);
    skips.push_back(x);
  }
  if (!conv_downsampler_ && !resnet_downsampler_) return x;
  x = conv_downsampler_ ? (*conv_downsampler_)(x) : (*resnet_downsampler_)(x, embedding);
  skips.push_back(x);
  return x;
}

void DownBlock::visit(const ParameterVisitor& visitor) const {
  visitor("attentions", attentions_);
  visitor("resnets", resnets_);
  visitor("downsamplers.0", conv_downsampler_);
  visitor("downsamplers.0", resnet_downsampler_);
}

UpBlock::UpBlock(const Init& init, int64_t previous, int64_t skip, int64_t out, bool attention,
                 Resampler resampler, const BlockOptions& options) {
  for (int64_t j = 0; j <= options.layers; ++j) {
    const int64_t in = (j == 0 ? previous : out) + (j == options.layers ? skip : out);
    resnets_.emplace_back(init, in, out, options.resnet);
    if (attention) attentions_.push_back(make_attention(init, out, options, options.resnet.groups));
  }
  if (resampler == Resampler::conv) conv_upsampler_.emplace(init, out);
  if (resampler == Resampler::resnet)
    resnet_upsampler_.emplace(init, out, out, with(options.resnet, Resample::up));
}

void UpBlock::set_gradient_checkpointing(GradientCheckpointing level) {
  set_level(level, attentions_, resnets_, resnet_upsampler_);
}

Variable UpBlock::operator()(Variable x, const Variable& embedding,
                             std::vector<Variable>& skips) const {
  for (size_t j = 0; j < resnets_.size(); ++j) {
    x = resnets_[j](concat({x, skips.back()}), embedding);
    skips.pop_back();
    if (!attentions_.empty()) x = attentions_[j](x);
  }
  if (conv_upsampler_) return (*conv_upsampler_)(x);
  return resnet_upsampler_ ? (*resnet_upsampler_)(x, embedding) : x;
}

void UpBlock::visit(const ParameterVisitor& visitor) const {
  visitor("attentions", attentions_);
  visitor("resnets", resnets_);
  visitor("upsamplers.0", conv_upsampler_);
  visitor("upsamplers.0", resnet_upsampler_);
}

MidBlock::MidBlock(const Init& init, int64_t channels, bool attention,
                   std::optional<int64_t> groups, const BlockOptions& options) {
  resnets_.emplace_back(init, channels, channels, options.resnet);
  if (attention) attentions_.push_back(make_attention(init, channels, options, groups));
  resnets_.emplace_back(init, channels, channels, options.resnet);
}

void MidBlock::set_gradient_checkpointing(GradientCheckpointing level) {
  set_level(level, attentions_, resnets_);
}

Variable MidBlock::operator()(const Variable& x, const Variable& embedding) const {
  const Variable h = resnets_[0](x, embedding);
  return resnets_[1](attentions_.empty() ? h : attentions_[0](h), embedding);
}

void MidBlock::visit(const ParameterVisitor& visitor) const {
  visitor("attentions", attentions_);
  visitor("resnets", resnets_);
}

}  // namespace imago::nn
