// Training as a whole: a run beside that of torch and diffusers (golden/make_training.py), and the
// memory it takes.
#include "core/allocator.h"
#include "diffusion/ddpm.h"
#include "diffusion/trainer.h"
#include "diffusion/training_loss.h"
#include "nn/unet2d.h"
#include "core/parallel.h"
#include "tests/golden.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

using namespace imago;
using namespace imago::test;

namespace {

// AdamW, a cosine with warm-up, clipping, a moving average: as in make_training.py.
const diffusion::TrainerOptions kOptions{
    .learning_rate = {.peak = 0.01,
                      .schedule = nn::LearningRateSchedule::cosine,
                      .warmup_steps = 2,
                      .total_steps = 10},
    .adamw = {.beta1 = 0.95, .weight_decay = 0.01},
    .max_grad_norm = 1,
    .ema = nn::EmaOptions{}};

nn::UNet2DConfig config_of(const Golden& golden) {
  return nn::parse_unet2d_config(golden.metadata("config"));
}

// The weights that PyTorch draws for seed 0.
nn::UNet2D make_unet(const nn::UNet2DConfig& config, DType dtype) {
  const nn::UNet2D drawn(config, nn::Init::torch(0));
  nn::UNet2D unet(config, nn::Init::none(dtype));
  const nn::NamedParameters from = nn::named_parameters(drawn);
  nn::NamedParameters to = nn::named_parameters(unet);
  for (size_t i = 0; i < from.size(); ++i) to[i].second.set_value(from[i].second.value().to(dtype));
  return unet;
}

// The largest gap between a weight and the golden file's. The keys' bias has no influence on the
// loss, so its gradient is nothing but rounding, which Adam makes large: in f32 it is left out.
double weight_gap(const nn::UNet2D& unet, const Golden& golden, const std::string& prefix,
                  DType dtype) {
  double gap = 0;
  for (const auto& [name, parameter] : nn::named_parameters(unet))
    if (dtype == DType::f64 || !name.ends_with("to_k.bias"))
      gap = std::max(gap, largest_gap(parameter.value(), golden.parameter(prefix + name)));
  return gap;
}

// All of the allocator's memory, and the rest of the heap.
struct Footprint {
  size_t in_use, held, peak, heap;
};
Footprint footprint() {
  const MemoryStats stats = memory_stats(default_device());
#if defined(__GLIBC__)
  const auto heap = mallinfo2();
  return {stats.in_use, stats.in_use + stats.cached, stats.peak, heap.uordblks + heap.hblkhd};
#else
  return {stats.in_use, stats.in_use + stats.cached, stats.peak, 0};
#endif
}

}  // namespace

TEST_CASE("a training run goes as that of diffusers", "[training][golden]") {
  const Golden golden("training");
  const auto losses = golden.load("losses").to_vector<double>(),
             norms = golden.load("norms").to_vector<double>(),
             rates = golden.load("rates").to_vector<double>();
  REQUIRE(losses.size() == 6);
  for (const DType dtype : {DType::f64, DType::f32}) {
    CAPTURE(dtype);
    const double tolerance = dtype == DType::f64 ? 1e-6 : 1e-5;
    const diffusion::DDPMScheduler scheduler;
    const nn::UNet2D unet = make_unet(config_of(golden), dtype);
    diffusion::Trainer trainer(unet, kOptions);
    for (size_t k = 0; k < losses.size(); ++k) {
      CAPTURE(k);
      const std::string step = std::to_string(k) + "/";
      const Tensor noise = golden.image(step + "noise", dtype), t = golden.load(step + "t");
      const Tensor x_t = scheduler.add_noise(golden.image(step + "x0", dtype), noise, t);
      const diffusion::TrainStep said = trainer.step([&] { return mse_loss(unet(x_t, t), noise); });
      CHECK(said.loss == Approx(losses[k]).epsilon(tolerance));
      CHECK(said.grad_norm == Approx(norms[k]).epsilon(10 * tolerance));
      CHECK(said.learning_rate == Approx(rates[k]).epsilon(1e-12));
    }
    CHECK(weight_gap(unet, golden, "w.", dtype) < 10 * tolerance);
    const auto averaged = trainer.averaged_weights();
    CHECK(weight_gap(unet, golden, "ema.", dtype) < 10 * tolerance);
  }
}

TEST_CASE("a training run takes no more memory after sixty steps than after fifteen",
          "[training][memory]") {
  const nn::UNet2DConfig config = config_of(Golden("training"));
  const size_t before = memory_stats(default_device()).in_use;
  const int threads = thread_count();
  set_thread_count(1);  // how many blocks of scratch memory several threads need at once is chance
  {
    const diffusion::DDPMScheduler scheduler;
    const nn::UNet2D unet(config, nn::Init::random(0));
    diffusion::Trainer trainer(unet, kOptions);
    const Tensor images = randn({4, 8, 8, 3}, DType::f32);
    const auto train_until = [&](int64_t steps) {
      while (trainer.steps() < steps)
        trainer.step([&] {
          return diffusion::training_loss(
              [&](const Variable& x, const Tensor& t) { return unet(x, t); }, scheduler, images,
              {.seed = 1, .step_at = trainer.step_at()});
        });
      return footprint();
    };
    trim_memory(default_device());  // what other tests left would hide that more is taken
    reset_peak_memory(default_device());
    const Footprint early = train_until(15), late = train_until(60);
    CHECK(late.in_use == early.in_use);
    CHECK(late.held <= early.held + 4096);
    CHECK(late.peak == early.peak);
    // Nodes of the graph, and whatever else is no tensor; an emulator takes its own memory from there too.
    if (default_device() == Device::cpu) CHECK(late.heap <= early.heap + 4096);
  }
  set_thread_count(threads);
  CHECK(memory_stats(default_device()).in_use == before);
}
