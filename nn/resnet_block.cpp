#include "nn/resnet_block.h"

namespace imago::nn {

ResnetBlock2D::ResnetBlock2D(const Init& init, int64_t in, int64_t out,
                             const ResnetOptions& options)
    : options_(options),
      channels_(out),
      norm1_(init, options.groups, in, options.eps),
      conv1_(init, in, out, 3, {.padding = 1}),
      time_emb_proj_(init, options.embedding, options.scale_shift ? 2 * out : out),
      norm2_(init, options.groups_out.value_or(options.groups), out, options.eps),
      dropout_(options.dropout),
      conv2_(init, out, out, 3, {.padding = 1}) {
  if (in != out || options.always_shortcut) conv_shortcut_.emplace(init, in, out, 1);
}

Variable ResnetBlock2D::operator()(const Variable& x, const Variable& embedding) const {
  if (checkpointing_ != GradientCheckpointing::blocks) return compute(x, embedding);
  return checkpointed([this](const std::vector<Variable>& in) { return compute(in[0], in[1]); }, {x, embedding});
}

Variable ResnetBlock2D::compute(const Variable& x, const Variable& embedding) const {
  using Inputs = std::vector<Variable>;
  const bool again = checkpointing_ == GradientCheckpointing::norms;  // what convolutions see, in backward
  const Variable input = resample(x, options_.resample);
  const Variable h1 = recomputed_if(
      again, [this](const Inputs& in) { return resample(norm1_(in[0], options_.activation), options_.resample); }, {x});
  const Variable e = time_emb_proj_(embedding);  // (N, O), or (N, 2 O): scale, then shift

  Variable h2;
  if (options_.scale_shift) {
    const int64_t N = x.dim(0), C = channels_;
    const Variable scale = reshape(slice_channels(e, 0, C), {N, 1, 1, C});
    const Variable shift = reshape(slice_channels(e, C, 2 * C), {N, 1, 1, C});
    const auto modulated = [this](const Inputs& in) {
      return dropout_(unary(options_.activation, norm2_(in[0]) * (in[1] + 1) + in[2]));
    };
    h2 = recomputed_if(again, modulated, {conv1_(h1), scale, shift});
  } else {
    const auto normalised = [this](const Inputs& in) { return dropout_(norm2_(in[0], options_.activation)); };
    h2 = recomputed_if(again, normalised, {conv1_(h1, /*per_channel=*/e)});
  }

  const Variable shortcut = conv_shortcut_ ? (*conv_shortcut_)(input) : input;
  const Variable y = conv2_(h2, /*per_channel=*/{}, /*residual=*/shortcut);
  return options_.output_scale_factor == 1 ? y : y * (1 / options_.output_scale_factor);
}

void ResnetBlock2D::visit(const ParameterVisitor& visitor) const {
  visitor("norm1", norm1_);
  visitor("conv1", conv1_);
  visitor("time_emb_proj", time_emb_proj_);
  visitor("norm2", norm2_);
  visitor("conv2", conv2_);
  visitor("conv_shortcut", conv_shortcut_);
}

}  // namespace imago::nn
