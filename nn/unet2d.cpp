#include "nn/unet2d.h"

#include "nn/activation.h"

namespace imago::nn {
namespace {

const UNet2DConfig& checked(const UNet2DConfig& config) {
  config.check();
  return config;
}

TimeProjection make_time_projection(const UNet2DConfig& c, const Init& init) {
  using enum TimeProjection::Kind;
  const auto kind = c.time_embedding_type == "fourier"   ? fourier
                    : c.time_embedding_type == "learned" ? learned
                                                         : positional;
  return TimeProjection(
      init, kind, c.block_out_channels[0],
      {.flip_sin_to_cos = c.flip_sin_to_cos, .freq_shift = static_cast<double>(c.freq_shift)},
      c.num_train_timesteps.value_or(0));
}

BlockOptions block_options(const UNet2DConfig& c, int64_t groups, double output_scale_factor = 1) {
  return {.layers = c.layers_per_block,
          .resnet = {.embedding = c.embedding_width(),
                     .groups = groups,
                     .eps = c.norm_eps,
                     .activation = activation_named(c.act_fn),
                     .scale_shift = c.resnet_time_scale_shift == "scale_shift",
                     .dropout = c.dropout,
                     .output_scale_factor = output_scale_factor},
          .head_dim = c.attention_head_dim,
          .downsample_padding = c.downsample_padding};
}

using Down = std::variant<DownBlock, SkipDownBlock>;
using Up = std::variant<UpBlock, SkipUpBlock>;

std::vector<Down> make_down_blocks(const UNet2DConfig& c, const Init& init) {
  const std::vector<int64_t>& width = c.block_out_channels;
  std::vector<Down> blocks;
  for (size_t i = 0; i < width.size(); ++i) {
    const BlockKind kind = down_block_kind(c.down_block_types[i], c.downsample_type);
    const int64_t in = width[i == 0 ? 0 : i - 1], out = width[i];
    const bool last = i + 1 == width.size();
    const BlockOptions options = block_options(c, c.norm_num_groups.value_or(0));
    if (kind.skip)
      blocks.emplace_back(SkipDownBlock(init, in, out, kind.attention, !last, options));
    else
      blocks.emplace_back(DownBlock(init, in, out, kind.attention,
                                    last ? Resampler::none : kind.resampler, options));
  }
  return blocks;
}

std::optional<MidBlock> make_mid_block(const UNet2DConfig& c, const Init& init) {
  if (!c.mid_block_type) return std::nullopt;
  std::optional<int64_t> groups = c.attn_norm_num_groups;
  const int64_t channels = c.block_out_channels.back(), resnet_groups = c.groups_of(channels);
  if (!groups && c.resnet_time_scale_shift == "default") groups = resnet_groups;
  return MidBlock(init, channels, c.add_attention, groups,
                  block_options(c, resnet_groups, c.mid_block_scale_factor));
}

std::vector<Up> make_up_blocks(const UNet2DConfig& c, const Init& init) {
  const std::vector<int64_t> width(c.block_out_channels.rbegin(), c.block_out_channels.rend());
  std::vector<Up> blocks;
  for (size_t i = 0; i < width.size(); ++i) {
    const BlockKind kind = up_block_kind(c.up_block_types[i], c.upsample_type);
    const bool last = i + 1 == width.size();
    const int64_t previous = width[i == 0 ? 0 : i - 1], skip = width[last ? i : i + 1],
                  out = width[i];
    const BlockOptions options = block_options(c, c.norm_num_groups.value_or(0));
    if (kind.skip)
      blocks.emplace_back(SkipUpBlock(init, previous, skip, out, kind.attention, !last, options));
    else
      blocks.emplace_back(UpBlock(init, previous, skip, out, kind.attention,
                                  last ? Resampler::none : kind.resampler, options));
  }
  return blocks;
}

// The blocks of one path, those that take an image along and those that do not.
template <typename Block, typename SkipBlock>
Variable run(const std::variant<Block, SkipBlock>& block, const Variable& x,
             const Variable& embedding, std::vector<Variable>& skips, Variable& image) {
  if (const auto* skip_block = std::get_if<SkipBlock>(&block))
    return (*skip_block)(x, embedding, skips, image);
  return std::get<Block>(block)(x, embedding, skips);
}

template <typename Block>
void visit_blocks(const ParameterVisitor& visitor, const std::string& name,
                  const std::vector<Block>& blocks) {
  for (size_t i = 0; i < blocks.size(); ++i)
    std::visit([&](const Module& block) { visitor(name + '.' + std::to_string(i), block); },
               blocks[i]);
}

// One time step per image.
Tensor per_image(const Tensor& t, int64_t N) {
  IMAGO_CHECK(t.defined() && (t.numel() == 1 || t.shape() == Shape{N}), "UNet2D: t must be (", N,
              ") or a single value, got ", t.shape());
  return t.numel() == N ? t.reshape({N}) : Tensor::full({N}, t.item(), t.dtype(), t.device());
}

}  // namespace

UNet2D::UNet2D(const UNet2DConfig& config, const Init& init)
    : config_(checked(config)),
      conv_in_(init, config.in_channels, config.block_out_channels[0], 3, {.padding = 1}),
      time_proj_(make_time_projection(config, init)),
      time_embedding_(init, time_proj_.width(), config.embedding_width()),
      class_table_(
          !config.class_embed_type && config.num_class_embeds
              ? std::optional(Embedding(init, *config.num_class_embeds, config.embedding_width()))
              : std::nullopt),
      class_mlp_(
          config.class_embed_type == "timestep"
              ? std::optional(TimestepEmbedding(init, time_proj_.width(), config.embedding_width()))
              : std::nullopt),
      down_blocks_(make_down_blocks(config, init)),
      mid_block_(make_mid_block(config, init)),
      up_blocks_(make_up_blocks(config, init)),
      conv_norm_out_(init, config.groups_of(config.block_out_channels[0]),
                     config.block_out_channels[0], config.norm_eps),
      conv_out_(init, config.block_out_channels[0], config.out_channels, 3, {.padding = 1}) {}

void UNet2D::set_gradient_checkpointing(GradientCheckpointing level) {
  checkpointing_ = level;
  const auto set = [level](auto& block) { block.set_gradient_checkpointing(level); };
  for (Down& block : down_blocks_) std::visit(set, block);
  if (mid_block_) set(*mid_block_);
  for (Up& block : up_blocks_) std::visit(set, block);
}

Variable UNet2D::embed(const Tensor& t, const Tensor& class_labels) const {
  Variable embedding = time_embedding_(cast(time_proj_(t), dtype()));
  if (class_table_)
    embedding = embedding + (*class_table_)(class_labels);
  else if (class_mlp_)
    embedding = embedding + (*class_mlp_)(cast(time_proj_(class_labels), dtype()));
  else if (config_.has_classes())
    embedding = embedding + cast(Variable(class_labels), dtype());
  return unary(activation_named(config_.act_fn), embedding);
}

Variable UNet2D::forward(const Variable& x, const Tensor& t, const Tensor& class_labels) const {
  const int64_t multiple = config_.downsampling();
  IMAGO_CHECK(x.rank() == 4 && x.dim(3) == config_.in_channels, "UNet2D: x must be (N, H, W, ",
              config_.in_channels, "), got ", x.shape());
  IMAGO_CHECK(x.dim(1) % multiple == 0 && x.dim(2) % multiple == 0,
              "UNet2D: height and width must be multiples of ", multiple, ", got ", x.dim(1), " x ",
              x.dim(2));
  IMAGO_CHECK(!config_.has_classes() || class_labels.defined(),
              "UNet2D: class_labels must be given to a model with classes");
  IMAGO_CHECK(config_.has_classes() || !class_labels.defined(),
              "UNet2D: class_labels were given to a model without classes");

  const Tensor steps = per_image(t, x.dim(0));
  const Variable embedding = embed(steps, class_labels);
  Variable image = config_.center_input_sample ? scale(x, 2, -1) : x;
  Variable h = conv_in_(image);
  std::vector<Variable> skips = {h};
  for (const Down& block : down_blocks_) h = run(block, h, embedding, skips, image);
  if (mid_block_) h = (*mid_block_)(h, embedding);
  image = {};  // the way up draws one of its own
  for (const Up& block : up_blocks_) h = run(block, h, embedding, skips, image);
  const auto normalised = [this](const std::vector<Variable>& in) { return conv_norm_out_(in[0], UnaryOp::silu); };
  h = recomputed_if(checkpointing_ != GradientCheckpointing::none, normalised, {h});
  h = conv_out_(h, /*per_channel=*/{}, /*residual=*/image);
  if (config_.time_embedding_type != "fourier") return h;
  h = cast(h, accumulator(h.dtype()));  // bf16 has no room for a time step's digits
  return h / Variable(steps.to(h.dtype()).reshape({x.dim(0), 1, 1, 1}));
}

// The mid block stands behind the up blocks: diffusers creates its attribute last.
void UNet2D::visit(const ParameterVisitor& visitor) const {
  visitor("conv_in", conv_in_);
  visitor("time_proj", time_proj_);
  visitor("time_embedding", time_embedding_);
  visitor("class_embedding", class_table_);
  visitor("class_embedding", class_mlp_);
  visit_blocks(visitor, "down_blocks", down_blocks_);
  visit_blocks(visitor, "up_blocks", up_blocks_);
  visitor("mid_block", mid_block_);
  visitor("conv_norm_out", conv_norm_out_);
  visitor("conv_out", conv_out_);
}

}  // namespace imago::nn
