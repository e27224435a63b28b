// Self-attention over the pixels of an image: Vaswani et al. 2017 (arXiv:1706.03762).
#pragma once

#include <optional>

#include "nn/checkpoint.h"
#include "nn/group_norm.h"
#include "nn/linear.h"

namespace imago::nn {

struct AttentionOptions {
  int64_t head_dim = 8;                // channels per head
  std::optional<int64_t> groups = 32;  // of the normalisation in front; none: no normalisation
  double eps = 1e-5;
  double output_scale_factor = 1;  // what the sum with the input is divided by
};

// y = (x + to_out(attention(to_q(h), to_k(h), to_v(h)))) / output_scale_factor, h = group_norm(x).
// Channels that no head has room for do not take part: there are channels / head_dim heads, rounded
// down.
class Attention : public Module {
 public:
  Attention(const Init& init, int64_t channels, const AttentionOptions& options);

  Variable operator()(const Variable& x) const;  // (N, H, W, C)

  void set_gradient_checkpointing(GradientCheckpointing level) { checkpointing_ = level; }

  void visit(const ParameterVisitor& visitor) const override;

 private:
  Variable compute(const Variable& x) const;

  GradientCheckpointing checkpointing_ = GradientCheckpointing::none;
  int64_t heads_;
  double output_scale_factor_;
  std::optional<GroupNorm> group_norm_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

}  // namespace imago::nn
