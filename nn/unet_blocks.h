// The three kinds of blocks that a UNet is made of. diffusers has a class per combination; here
// they are options.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/attention.h"
#include "nn/resample.h"
#include "nn/resnet_block.h"

namespace imago::nn {

// What changes the resolution at the end of a block.
enum class Resampler : uint8_t { none, conv, resnet };

struct BlockKind {
  bool attention = false;  // behind each resnet
  Resampler resampler = Resampler::conv;
  bool skip = false;  // one of nn/skip_blocks.h; resampler does not count
};

// By diffusers' name of a block in the down path ("AttnDownBlock2D") or in the up path.
// `resampler_type`, "conv" or "resnet", counts for blocks with attention only. Throws on names that
// imago does not know.
BlockKind down_block_kind(const std::string& name, const std::string& resampler_type);
BlockKind up_block_kind(const std::string& name, const std::string& resampler_type);

// What the blocks of one UNet have in common.
struct BlockOptions {
  int64_t layers = 2;               // resnets in a down block; an up block has one more
  ResnetOptions resnet;             // the attentions share its groups and eps
  std::optional<int64_t> head_dim;  // of the attentions; none: one head
  int64_t downsample_padding = 1;
};

// For the vectors and optionals of layers that a block has.
template <typename... Layers>
void set_level(GradientCheckpointing level, Layers&... layers) {
  const auto set = [&](auto& some) {
    if constexpr (requires { some.begin(); })
      for (auto& layer : some) layer.set_gradient_checkpointing(level);
    else if (some)
      some->set_gradient_checkpointing(level);
  };
  (set(layers), ...);
}

// DownBlock2D, AttnDownBlock2D and ResnetDownsampleBlock2D.
class DownBlock : public Module {
 public:
  DownBlock(const Init& init, int64_t in, int64_t out, bool attention, Resampler resampler,
            const BlockOptions& options);

  void set_gradient_checkpointing(GradientCheckpointing level);
  // Puts the output of every layer, and of the resampler, on the stack of skip connections.
  Variable operator()(Variable x, const Variable& embedding, std::vector<Variable>& skips) const;

  void visit(const ParameterVisitor& visitor) const override;

 private:
  std::vector<Attention> attentions_;  // none, or one behind each resnet
  std::vector<ResnetBlock2D> resnets_;
  std::optional<Downsample2D> conv_downsampler_;
  std::optional<ResnetBlock2D> resnet_downsampler_;
};

// UpBlock2D, AttnUpBlock2D and ResnetUpsampleBlock2D. Layer j takes `previous` channels (the first
// one) or `out`, and the channels of a skip connection: `skip` for the last layer, `out` for the
// others.
class UpBlock : public Module {
 public:
  UpBlock(const Init& init, int64_t previous, int64_t skip, int64_t out, bool attention,
          Resampler resampler, const BlockOptions& options);

  void set_gradient_checkpointing(GradientCheckpointing level);
  // Takes one skip connection from the stack per layer.
  Variable operator()(Variable x, const Variable& embedding, std::vector<Variable>& skips) const;

  void visit(const ParameterVisitor& visitor) const override;

 private:
  std::vector<Attention> attentions_;
  std::vector<ResnetBlock2D> resnets_;
  std::optional<Upsample2D> conv_upsampler_;
  std::optional<ResnetBlock2D> resnet_upsampler_;
};

// UNetMidBlock2D: a resnet, perhaps an attention, a resnet. `groups` is for the attention.
class MidBlock : public Module {
 public:
  MidBlock(const Init& init, int64_t channels, bool attention, std::optional<int64_t> groups,
           const BlockOptions& options);

  void set_gradient_checkpointing(GradientCheckpointing level);
  Variable operator()(const Variable& x, const Variable& embedding) const;

  void visit(const ParameterVisitor& visitor) const override;

 private:
  std::vector<Attention> attentions_;   // at most one
  std::vector<ResnetBlock2D> resnets_;  // two
};

}  // namespace imago::nn
