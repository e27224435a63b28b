#include "nn/attention.h"

namespace imago::nn {
namespace {

int64_t head_count(int64_t channels, int64_t head_dim) {
  IMAGO_CHECK(head_dim >= 1 && head_dim <= channels, "Attention: head_dim must be in [1, ",
              channels, "], got ", head_dim);
  return channels / head_dim;
}

std::optional<GroupNorm> norm(const Init& init, int64_t channels, const AttentionOptions& options) {
  if (!options.groups) return std::nullopt;
  return GroupNorm(init, *options.groups, channels, options.eps);
}

}  // namespace

Attention::Attention(const Init& init, int64_t channels, const AttentionOptions& options)
    : heads_(head_count(channels, options.head_dim)),
      output_scale_factor_(options.output_scale_factor),
      group_norm_(norm(init, channels, options)),
      to_q_(init, channels, heads_ * options.head_dim),
      to_k_(init, channels, heads_ * options.head_dim),
      to_v_(init, channels, heads_ * options.head_dim),
      to_out_(init, heads_ * options.head_dim, channels) {}

Variable Attention::operator()(const Variable& x) const {
  if (checkpointing_ != GradientCheckpointing::blocks) return compute(x);
  return checkpointed([this](const std::vector<Variable>& in) { return compute(in[0]); }, {x});
}

Variable Attention::compute(const Variable& x) const {
  const int64_t N = x.dim(0), T = x.dim(1) * x.dim(2), C = x.dim(3);
  const auto rows = [this, N, T, C](const std::vector<Variable>& in) {
    return reshape(group_norm_ ? (*group_norm_)(in[0]) : in[0], {N, T, C});
  };
  const Variable h = recomputed_if(checkpointing_ == GradientCheckpointing::norms && group_norm_, rows, {x});
  const Variable mixed = attention(to_q_(h), to_k_(h), to_v_(h), heads_);
  const Variable y = x + reshape(to_out_(mixed), x.shape());
  return output_scale_factor_ == 1 ? y : y * (1 / output_scale_factor_);
}

void Attention::visit(const ParameterVisitor& visitor) const {
  visitor("group_norm", group_norm_);
  visitor("to_q", to_q_);
  visitor("to_k", to_k_);
  visitor("to_v", to_v_);
  visitor("to_out.0", to_out_);
}

}  // namespace imago::nn
