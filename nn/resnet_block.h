// The residual block of diffusion UNets: Ho et al. 2020 (arXiv:2006.11239), appendix B, with the
// variants that diffusers' ResnetBlock2D knows.
#pragma once

#include <optional>

#include "nn/checkpoint.h"
#include "nn/conv2d.h"
#include "nn/group_norm.h"
#include "nn/linear.h"
#include "nn/resample.h"
#include "nn/training.h"

namespace imago::nn {

struct ResnetOptions {
  int64_t embedding = 0;  // width of the time embedding
  int64_t groups = 32;
  std::optional<int64_t> groups_out = {};  // of the second norm; none: as many as of the first
  double eps = 1e-5;
  UnaryOp activation = UnaryOp::silu;
  bool scale_shift = false;  // the embedding acts behind the second norm instead of before it
  double dropout = 0;
  double output_scale_factor = 1;  // what the sum of both branches is divided by
  Resample resample = Resample::none;
  bool always_shortcut = false;  // a convolution on the shortcut even if the channels stay as many
};

class ResnetBlock2D : public Module {
 public:
  ResnetBlock2D(const Init& init, int64_t in, int64_t out, const ResnetOptions& options);

  // x (N, H, W, I) -> (N, H', W', O); embedding (N, E) with the activation already applied, it is
  // the same in every block.
  Variable operator()(const Variable& x, const Variable& embedding) const;

  void set_gradient_checkpointing(GradientCheckpointing level) { checkpointing_ = level; }

  void visit(const ParameterVisitor& visitor) const override;

 private:
  Variable compute(const Variable& x, const Variable& embedding) const;

  GradientCheckpointing checkpointing_ = GradientCheckpointing::none;
  ResnetOptions options_;
  int64_t channels_;
  GroupNorm norm1_;
  Conv2d conv1_;
  Linear time_emb_proj_;
  GroupNorm norm2_;
  Dropout dropout_;
  Conv2d conv2_;
  std::optional<Conv2d> conv_shortcut_;
};

}  // namespace imago::nn
