// How far the losses of training in bf16 stray from those in f32: the same weights, digits, time steps and noise, the
// one on the tested device in bf16, the other on the CPU in f32.
#include <cstdio>

#include "data/mnist_source.h"
#include "data/pixels.h"
#include "diffusion/ddpm.h"
#include "diffusion/trainer.h"
#include "diffusion/training_loss.h"
#include "nn/unet2d.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

constexpr int64_t kSize = 8, kBatch = 4;

// Digits of 8 x 8 pixels in [-1, 1]: small enough for a thousand steps on the emulator.
Tensor small_digits(const data::ImageDataset& digits) {
  const Tensor x = data::from_bytes(digits.images, data::PixelRange::symmetric).to(Device::cpu);
  const DeviceScope on_cpu(Device::cpu);
  const Variable padded = pad(Variable(x) + 1, 2);  // 32 x 32
  return (avg_pool2d(padded, 4, 4) - 1).value();
}

std::vector<double> losses(Device device, std::optional<DType> compute, const Tensor& digits, int64_t steps,
                           const std::function<void(int64_t step, double loss)>& look = {}) {
  const DeviceScope on(device);
  const nn::UNet2D unet({.sample_size = nn::ImageSize{kSize, kSize},
                         .in_channels = 1,
                         .out_channels = 1,
                         .down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
                         .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
                         .block_out_channels = {8, 16},
                         .layers_per_block = 1,
                         .norm_num_groups = 4},
                        nn::Init::random(0));
  diffusion::Trainer trainer(unet, {.learning_rate = {.peak = 1.5e-3,
                                                      .schedule = nn::LearningRateSchedule::cosine,
                                                      .warmup_steps = std::min<int64_t>(50, steps / 2),
                                                      .total_steps = steps},
                                    .ema = {},
                                    .compute = compute});
  const auto scheduler = diffusion::make_scheduler("DDPMScheduler", {});
  const auto model = [&](const Variable& x_t, const Tensor& t) { return unet(x_t, t); };
  std::vector<double> found;
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t first = k * kBatch % (digits.dim(0) - kBatch + 1);
    const Tensor x0 = digits.slice(first, first + kBatch).to(device);
    const diffusion::BatchKey key{.seed = 0, .step = static_cast<uint32_t>(k)};
    found.push_back(trainer.step([&] { return diffusion::training_loss(model, *scheduler, x0, key); }).loss);
    if (look) look(k + 1, found.back());
  }
  return found;
}

// The largest relative difference between averages over `window` steps; prints them as they come.
double measure(const data::ImageDataset& dataset, int64_t steps, int64_t window) {
  const Tensor digits = small_digits(dataset);
  const std::vector<double> exact = losses(Device::cpu, std::nullopt, digits, steps);
  double widest = 0, a = 0, b = 0;
  losses(default_device(), DType::bf16, digits, steps, [&](int64_t step, double loss) {
    a += exact[static_cast<size_t>(step - 1)], b += loss;
    if (step % window) return;
    std::printf("steps %4d to %4d: loss %.5f in f32, %.5f in bf16, %+.3f %%\n", static_cast<int>(step - window + 1),
                static_cast<int>(step), a / static_cast<double>(window), b / static_cast<double>(window),
                100 * (b - a) / a);
    std::fflush(stdout);
    CHECK(a != b);
    widest = std::max(widest, std::abs(b - a) / a);
    a = b = 0;
  });
  return widest;
}

}  // namespace

TEST_CASE("the first losses in bf16 are those in f32", "[precision]") {
  if (default_device() == Device::cpu) return;
  data::ImageDataset digits = data::find_mnist("synthetic").load(data::MnistPart::test);
  digits.images = digits.images.slice(0, 160);
  CHECK(measure(digits, 40, 10) < 0.01);
}

// Not part of the suite, because it takes the emulator ten minutes of a processor: imago_tests "[band]", with
// $IMAGO_DATA_DIR and IMAGO_TEST_DEVICE=simt or cuda. $IMAGO_BAND_STEPS may ask for fewer steps.
TEST_CASE("a thousand losses in bf16 stay within 3 % of f32's on MNIST", "[.][band]") {
  if (default_device() == Device::cpu) return;
  const char* steps = std::getenv("IMAGO_BAND_STEPS");
  const data::MnistSource source = data::find_mnist("auto");
  std::printf("%s\n", source.sentence.c_str());
  CHECK(measure(source.load(data::MnistPart::test), steps ? std::atoll(steps) : 1000, 50) < 0.03);
}
