#include "bench/models.h"

#include "autograd/functions.h"
#include "autograd/no_grad.h"
#include "core/random.h"
#include "kernels/precision.h"

namespace imago::bench {
namespace {

// Attention in the `attentive` lowest levels.
nn::UNet2DConfig unet(int64_t channels, std::vector<int64_t> widths, size_t attentive) {
  nn::UNet2DConfig config;
  config.in_channels = config.out_channels = channels;
  const size_t levels = widths.size();
  config.down_block_types.assign(levels, "DownBlock2D");
  config.up_block_types.assign(levels, "UpBlock2D");
  for (size_t i = 0; i < attentive; ++i) {
    config.down_block_types[levels - 1 - i] = "AttnDownBlock2D";
    config.up_block_types[i] = "AttnUpBlock2D";
  }
  config.block_out_channels = std::move(widths);
  return config;
}

Workload butterflies() {
  return {.name = "butterflies", .config = unet(3, {64, 128, 256, 512}, 2), .batch = 32, .size = 64};
}

Workload mnist() {
  Workload w{.name = "mnist", .config = unet(1, {16, 32, 64}, 1), .batch = 128, .size = 28};
  w.config.layers_per_block = 1;
  w.config.norm_num_groups = 8;
  return w;
}

Workload tiny() {
  Workload w{.name = "tiny", .config = unet(3, {8, 16}, 1), .batch = 2, .size = 8};
  w.config.layers_per_block = 1;
  w.config.norm_num_groups = 4;
  return w;
}

constexpr int64_t kTimesteps = 1000;
constexpr uint64_t kSeed = 1;

// Four batches of noise.
data::ImageDataset images_for(const Workload& w) {
  const Tensor images({4 * w.batch, w.size, w.size, w.config.in_channels}, DType::u8, Device::cpu);
  uint8_t* bytes = images.data<uint8_t>();
  for (int64_t i = 0; i < images.numel(); ++i) bytes[i] = static_cast<uint8_t>(random_words({.seed = kSeed}, i).v[0]);
  return {.images = images, .labels = {}};
}

}  // namespace

Workload workload_named(const std::string& name, int64_t batch) {
  for (Workload w : {butterflies(), mnist(), tiny()}) {
    if (w.name != name) continue;
    w.config.sample_size = nn::ImageSize{w.size, w.size};
    if (batch > 0) w.batch = batch;
    return w;
  }
  fail("workload: must be butterflies, mnist or tiny, got '", name, "'");
}

Precision precision_named(const std::string& name) {
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16})
    if (name == name_of(p)) return p;
  fail("precision: must be f32, tf32 or bf16, got '", name, "'");
}

TrainingStep::TrainingStep(const Workload& workload, Precision precision, bool graph)
    : workload_(workload),
      precision_(precision),
      graph_(graph),
      scheduler_({.num_train_timesteps = kTimesteps}),
      batches_(images_for(workload), {.batch_size = workload.batch, .seed = kSeed}, diffusion::DataPlace::device),
      model_(std::make_unique<nn::UNet2D>(workload.config, nn::Init::random(kSeed))),
      x_t_(randn(workload.images(), {.seed = kSeed})) {
  using kernels::MatmulPrecision;
  sampling_step_ = scheduler_.plan()[kTimesteps / 2];
  kernels::set_matmul_precision(precision == Precision::tf32 ? MatmulPrecision::tf32 : MatmulPrecision::f32);
  const diffusion::TrainerOptions options{
      .learning_rate = {.peak = 1e-4},
      .ema = nn::EmaOptions{},
      .graph = graph,
      .compute = precision == Precision::bf16 ? std::optional(DType::bf16) : std::nullopt};
  trainer_ = std::make_unique<diffusion::Trainer>(*model_, options);
}

int64_t TrainingStep::parameters() const { return nn::parameter_count(*model_); }

void TrainingStep::zero_gradients() { trainer_->arena().zero_grad(); }

Variable TrainingStep::loss() const {
  const diffusion::BatchKey key{.seed = kSeed, .step_at = trainer_->step_at()};
  const diffusion::TrainingBatch batch = diffusion::training_batch(scheduler_, batches_.batch(key), key);
  return mse_loss((*model_)(batch.x_t, batch.t), batch.target);
}

void TrainingStep::forward() { loss_ = loss(); }
void TrainingStep::backward() { loss_.backward(); }

void TrainingStep::step() {
  trainer_->queue([this] { return loss(); });
}

void TrainingStep::sampling_work() {
  const NoGrad no_grad;
  const Tensor t = Tensor::full({workload_.batch}, sampling_step_.t, DType::i64);
  const Tensor output = (*model_)(x_t_, t).value();
  sample_ =
      kernels::denoise_step(x_t_, output, sampling_step_.update, {.noise = diffusion::Noise({.seed = kSeed}, 0)}).x;
}

void TrainingStep::sample() {
  if (!graph_) return sampling_work();
  if (!sampling_.captured()) {
    sampling_work();  // whatever is needed once
    sampling_ = Graph::capture(default_device(), [this] { sampling_work(); });
  }
  sampling_.launch();
}

TrainingStep::Probe TrainingStep::probe() {
  const DType dtype = dtype_of(precision_);
  Probe p{.x = randn(workload_.images(), {.seed = 2}, dtype),
          .t = randint({workload_.batch}, {.seed = 3}, kTimesteps),
          .target = randn(workload_.images(), {.seed = 4}, dtype),
          .y = {},
          .loss = 0};
  zero_gradients();
  const Variable y = (*model_)(p.x, p.t);
  const Variable loss = mse_loss(y, p.target);
  p.y = y.value(), p.loss = loss.value().item();
  loss.backward();
  return p;
}

}  // namespace imago::bench
