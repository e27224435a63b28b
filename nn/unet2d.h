// The UNet of Ho et al. 2020 (arXiv:2006.11239) with the options of diffusers' UNet2DModel: same
// parameters, same outputs.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "nn/denoiser.h"
#include "nn/skip_blocks.h"
#include "nn/time_embedding.h"
#include "nn/unet2d_config.h"
#include "nn/unet_blocks.h"

namespace imago::nn {

class UNet2D : public Denoiser {
 public:
  // Throws if the configuration does not check().
  UNet2D(const UNet2DConfig& config, const Init& init);

  const UNet2DConfig& config() const { return config_; }
  DType dtype() const override { return conv_in_.dtype(); }

  // What training computes again instead of keeping it. Changes no result, and is not part of the configuration.
  void set_gradient_checkpointing(GradientCheckpointing level);

  void visit(const ParameterVisitor& visitor) const override;

 private:
  // class_labels: row numbers (N) of the table, (N) numbers for class_embed_type "timestep", (N, E)
  // for "identity".
  Variable forward(const Variable& x, const Tensor& t, const Tensor& class_labels) const override;
  // (N, E), with the blocks' activation applied
  Variable embed(const Tensor& t, const Tensor& class_labels) const;

  // Members are in the order of construction, which is the order that initial weights are drawn in.
  UNet2DConfig config_;
  Conv2d conv_in_;
  TimeProjection time_proj_;
  TimestepEmbedding time_embedding_;
  std::optional<Embedding> class_table_;
  std::optional<TimestepEmbedding> class_mlp_;
  std::vector<std::variant<DownBlock, SkipDownBlock>> down_blocks_;
  std::optional<MidBlock> mid_block_;
  std::vector<std::variant<UpBlock, SkipUpBlock>> up_blocks_;
  GroupNorm conv_norm_out_;
  Conv2d conv_out_;
  GradientCheckpointing checkpointing_ = GradientCheckpointing::none;
};

}  // namespace imago::nn
