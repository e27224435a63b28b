#include "nn/skip_blocks.h"

#include <numbers>

namespace imago::nn {
namespace {

// Both branches of a residual sum have the variance of its result.
constexpr double kOutputScaleFactor = std::numbers::sqrt2;

ResnetBlock2D make_resnet(const Init& init, int64_t in, int64_t groups, int64_t out,
                          ResnetOptions options) {
  options.groups = groups;
  options.groups_out = skip_groups(out);
  options.output_scale_factor = kOutputScaleFactor;
  return ResnetBlock2D(init, in, out, options);
}

ResnetBlock2D make_resampler(const Init& init, int64_t channels, Resample direction,
                             ResnetOptions options) {
  options.resample = direction;
  options.always_shortcut = true;
  return make_resnet(init, channels, skip_groups(channels), channels, options);
}

Attention make_attention(const Init& init, int64_t channels, const BlockOptions& options) {
  return Attention(init, channels,
                   {.head_dim = options.head_dim.value_or(channels),
                    .groups = kSkipAttentionGroups,
                    .eps = options.resnet.eps,
                    .output_scale_factor = kOutputScaleFactor});
}

}  // namespace

SkipDownBlock::SkipDownBlock(const Init& init, int64_t in, int64_t out, bool attention, bool down,
                             const BlockOptions& options) {
  for (int64_t j = 0; j < options.layers; ++j) {
    const int64_t channels = j == 0 ? in : out;
    resnets_.push_back(make_resnet(init, channels, skip_groups(channels), out, options.resnet));
    if (attention) attentions_.push_back(make_attention(init, out, options));
  }
  if (!down) return;
  resnet_down_ = make_resampler(init, out, Resample::fir_down, options.resnet);
  skip_conv_.emplace(init, kSkipImageChannels, out, 1);
}

Variable SkipDownBlock::operator()(Variable x, const Variable& embedding,
                                   std::vector<Variable>& skips, Variable& image) const {
  for (size_t j = 0; j < resnets_.size(); ++j) {
    x = resnets_[j](x, embedding);
    if (!attentions_.empty()) x = attentions_[j](x);
    skips.push_back(x);
  }
  if (!resnet_down_) return x;
  image = resample(image, Resample::fir_down);
  x = (*skip_conv_)(image, /*per_channel=*/{}, /*residual=*/(*resnet_down_)(x, embedding));
  skips.push_back(x);
  return x;
}

void SkipDownBlock::visit(const ParameterVisitor& visitor) const {
  visitor("attentions", attentions_);
  visitor("resnets", resnets_);
  visitor("resnet_down", resnet_down_);
  visitor("skip_conv", skip_conv_);
}

SkipUpBlock::SkipUpBlock(const Init& init, int64_t previous, int64_t skip, int64_t out,
                         bool attention, bool up, const BlockOptions& options) {
  for (int64_t j = 0; j <= options.layers; ++j) {
    const int64_t channels = j == 0 ? previous : out;
    const int64_t joined = j == options.layers ? skip : out;
    resnets_.push_back(make_resnet(
        init, channels + joined, skip_groups_up(channels, joined, attention), out, options.resnet));
  }
  if (attention) attentions_.push_back(make_attention(init, out, options));
  if (!up) return;
  resnet_up_ = make_resampler(init, out, Resample::fir_up, options.resnet);
  skip_conv_.emplace(init, out, kSkipImageChannels, 3, Conv2dOptions{.padding = 1});
  skip_norm_.emplace(init, skip_groups(out), out, options.resnet.eps);
}

Variable SkipUpBlock::operator()(Variable x, const Variable& embedding,
                                 std::vector<Variable>& skips, Variable& image) const {
  for (const ResnetBlock2D& resnet : resnets_) {
    x = resnet(concat({x, skips.back()}), embedding);
    skips.pop_back();
  }
  if (!attentions_.empty()) x = attentions_[0](x);
  if (image.defined()) image = resample(image, Resample::fir_up);
  if (!resnet_up_) return x;
  image = (*skip_conv_)((*skip_norm_)(x, UnaryOp::silu), /*per_channel=*/{}, /*residual=*/image);
  return (*resnet_up_)(x, embedding);
}

void SkipUpBlock::visit(const ParameterVisitor& visitor) const {
  visitor("attentions", attentions_);
  visitor("resnets", resnets_);
  visitor("resnet_up", resnet_up_);
  visitor("skip_conv", skip_conv_);
  visitor("skip_norm", skip_norm_);
}

}  // namespace imago::nn
