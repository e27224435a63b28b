// The blocks of NCSN++ (Song et al. 2021, arXiv:2011.13456). Beside the hidden state an image passes
// through the network: on the way down it is halved and added to the hidden state, on the way up it
// is doubled and gathers what each block adds, and in the end it is added to the output.
#pragma once

#include <algorithm>

#include "nn/unet_blocks.h"

namespace imago::nn {

inline constexpr int64_t kSkipImageChannels = 3;
inline constexpr int64_t kSkipAttentionGroups = 32;

// The groups that these blocks normalise so many channels in.
inline int64_t skip_groups(int64_t channels) { return std::min<int64_t>(channels / 4, 32); }
// The same for the first norm of a layer on the way up, which `skip` channels come to from below.
// With attention there are more: a slip of diffusers' that its models were trained with.
inline int64_t skip_groups_up(int64_t channels, int64_t skip, bool attention) {
  return attention ? std::min<int64_t>(channels + skip / 4, 32) : skip_groups(channels + skip);
}

// SkipDownBlock2D and AttnSkipDownBlock2D. `down`: whether the resolution is halved at the end.
class SkipDownBlock : public Module {
 public:
  SkipDownBlock(const Init& init, int64_t in, int64_t out, bool attention, bool down,
                const BlockOptions& options);

  void set_gradient_checkpointing(GradientCheckpointing level) {
    set_level(level, attentions_, resnets_, resnet_down_);
  }
  // Like a DownBlock. `image` (N, H, W, 3) is halved with the resolution.
  Variable operator()(Variable x, const Variable& embedding, std::vector<Variable>& skips,
                      Variable& image) const;

  void visit(const ParameterVisitor& visitor) const override;

 private:
  std::vector<Attention> attentions_;  // none, or one behind each resnet
  std::vector<ResnetBlock2D> resnets_;
  std::optional<ResnetBlock2D> resnet_down_;
  std::optional<Conv2d> skip_conv_;  // image -> hidden state
};

// SkipUpBlock2D and AttnSkipUpBlock2D. `up`: whether the resolution is doubled at the end.
class SkipUpBlock : public Module {
 public:
  SkipUpBlock(const Init& init, int64_t previous, int64_t skip, int64_t out, bool attention,
              bool up, const BlockOptions& options);

  void set_gradient_checkpointing(GradientCheckpointing level) { set_level(level, attentions_, resnets_, resnet_up_); }
  // Like an UpBlock. `image` (N, H/2, W/2, 3), undefined before the first of these blocks, becomes
  // (N, H, W, 3).
  Variable operator()(Variable x, const Variable& embedding, std::vector<Variable>& skips,
                      Variable& image) const;

  void visit(const ParameterVisitor& visitor) const override;

 private:
  std::vector<Attention> attentions_;  // none, or one behind the last resnet
  std::vector<ResnetBlock2D> resnets_;
  std::optional<ResnetBlock2D> resnet_up_;
  std::optional<Conv2d> skip_conv_;  // hidden state -> image
  std::optional<GroupNorm> skip_norm_;
};

}  // namespace imago::nn
