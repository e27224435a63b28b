// Learns to draw handwritten digits, in one of two ways:
//
//   mnist                    denoising diffusion (Ho et al. 2020): a UNet that is told the time
//                            step learns to see the digit under the noise; sampling starts from
//                            noise and takes it away bit by bit
//   mnist --recipe corrupt   the first lesson of the Hugging Face diffusion course: a smaller UNet,
//                            not told how much noise there is, learns to say what the digit was
//
// What is learnt and drawn stands here and in program/ddpm_run.cpp. The loop around it (batches,
// progress, checkpoints, Ctrl-C) is program::train().
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "core/random.h"
#include "data/atomic_file.h"
#include "data/mnist_source.h"
#include "data/safetensors.h"
#include "diffusion/simple_scheduler.h"
#include "examples/program/command_line.h"
#include "examples/program/ddpm_run.h"
#include "examples/program/pictures.h"
#include "examples/program/training_run.h"
#include "nn/basic_unet.h"
#include "nn/state_dict.h"
#include "nn/unet2d.h"

using namespace imago;
namespace fs = std::filesystem;

namespace {

// The defaults are for a person who waits in front of two processors: a small network, and less
// than one epoch.
constexpr int64_t kPatientSteps = 1300;

struct Flags {
  std::string recipe = "ddpm", data = "auto";
  program::TrainingFlags training = {.train_batch_size = 32, .learning_rate = 1.5e-3};
  // ddpm
  std::vector<int64_t> block_out_channels = {16, 32, 64};
  int64_t layers_per_block = 1, norm_num_groups = 8;
  // The squared error of epsilon is that of x_0 times the signal-to-noise ratio: it hardly counts
  // where noise is strong, and there it is decided which digit comes about. In so few steps more of
  // them can be read, on a blacker ground, when the network learns x_0 itself. The cosine schedule
  // has fewer steps than the linear one at which nothing is left to be seen. To draw, 50 steps do as
  // well as 100.
  program::DdpmFlags ddpm = {.ddpm_num_inference_steps = 50,
                             .ddpm_beta_schedule = "squaredcos_cap_v2",
                             .prediction_type = "sample"};
};

void add_flags(CLI::App& app, Flags& f) {
  app.add_option("--recipe", f.recipe, "ddpm or corrupt")
      ->check(CLI::IsMember({"ddpm", "corrupt"}));
  app.add_option("--data", f.data, "auto, mnist, synthetic, or a folder with the four MNIST files");
  program::add_training_flags(app, f.training);
  CLI::Option_group& ddpm = *app.add_option_group("Network of recipe ddpm");
  ddpm.add_option("--block-out-channels", f.block_out_channels,
                  "channels of the UNet's levels, up to three")
      ->check(program::positive)
      ->expected(1, 3);
  ddpm.add_option("--layers-per-block", f.layers_per_block, "residual blocks per level")
      ->check(program::positive);
  ddpm.add_option("--norm-num-groups", f.norm_num_groups, "groups of the normalisations")
      ->check(program::positive);
  program::add_ddpm_flags(app, f.ddpm);
}

const Shape kDigit = {28, 28, 1};
Shape batch_of(int64_t n) { return kDigit.inserted(0, n); }

// ---- recipe ddpm --------------------------------------------------------------------------------

nn::UNet2DConfig unet_config(const Flags& f) {
  const size_t levels = f.block_out_channels.size();
  nn::UNet2DConfig config;
  config.sample_size = {28, 28};
  config.in_channels = config.out_channels = 1;
  config.block_out_channels = f.block_out_channels;
  config.layers_per_block = f.layers_per_block;
  config.norm_num_groups = f.norm_num_groups;
  config.down_block_types.assign(levels, "DownBlock2D");
  config.up_block_types.assign(levels, "UpBlock2D");
  config.down_block_types.back() = "AttnDownBlock2D";  // attention where images are smallest
  config.up_block_types.front() = "AttnUpBlock2D";
  return config;
}

int train_ddpm(const Flags& f, const data::ImageDataset& digits) {
  nn::UNet2D unet(unet_config(f), nn::Init::random(f.training.seed));
  unet.set_gradient_checkpointing(nn::gradient_checkpointing_named(f.training.gradient_checkpointing));
  return program::train_ddpm("mnist-ddpm", unet, digits, f.ddpm, f.training,
                             {{"recipe", "ddpm"},
                              {"block_out_channels", fmt::format("{}", fmt::join(f.block_out_channels, " "))},
                              {"layers_per_block", std::to_string(f.layers_per_block)},
                              {"norm_num_groups", std::to_string(f.norm_num_groups)}});
}

// ---- recipe corrupt -----------------------------------------------------------------------------

int train_corrupt(const Flags& f, const data::ImageDataset& digits) {
  IMAGO_CHECK(f.training.gradient_checkpointing == "none",
              "--gradient-checkpointing must be none with --recipe corrupt: its network has no blocks");
  const diffusion::SimpleScheduler scheduler;
  const nn::BasicUNet unet(nn::Init::random(f.training.seed));
  const auto denoise = [&](const Variable& x) { return unet(x, {}); };

  program::Recipe recipe{.name = "mnist-corrupt", .model = &unet};
  // x = (1 - a) x_0 + a noise with a uniform in [0, 1]; L = E || x_0 - f(x) ||^2
  recipe.loss = [&](const diffusion::PickedImages& x0, const diffusion::BatchKey& key) {
    return scheduler.training_loss(denoise, diffusion::pixels(x0, data::PixelRange::unit), key);
  };
  recipe.draw_samples = [&](const fs::path& png) {
    const auto model = [&](const Tensor& x) { return denoise(x).value(); };
    program::write_grid(png,
                        scheduler.sample(model, batch_of(f.training.eval_batch_size),
                                         {.steps = 40, .seed = f.training.seed}),
                        data::PixelRange::unit);
  };
  // Rows: digits, the same with more and more noise, and what the model makes of these.
  recipe.draw_final = [&](const fs::path& folder) {
    const int64_t n = 8;
    const Tensor x0 =
        data::from_bytes(digits.images.slice(0, n), data::PixelRange::unit).to(default_device());
    std::vector<float> amounts;  // of noise, evenly from 0 to 1
    for (int64_t i = 0; i < n; ++i)
      amounts.push_back(static_cast<float>(i) / static_cast<float>(n - 1));
    const Tensor amount = Tensor::from(std::span<const float>(amounts), {n});
    Tensor noise(x0.shape());
    fill_uniform(noise, {.seed = f.training.seed, .stream = kSampleStream});
    const Tensor x = scheduler.corrupt(x0, noise, amount);
    program::write_rows(folder / "predictions.png", {x0, x, denoise(x).value()},
                        data::PixelRange::unit);
  };
  recipe.save_model = [&](const fs::path& folder) {
    fs::create_directories(folder);
    data::save_safetensors(folder / "model.safetensors", nn::state_dict(unet), {{"format", "pt"}});
    data::write_file(
        folder / "config.json",
        "{\n  \"_class_name\": \"BasicUNet\",\n  \"in_channels\": 1,\n  \"out_channels\": 1\n}\n");
  };
  recipe.settings = {{"recipe", "corrupt"}};
  return program::train(recipe, digits, f.training);
}

// The course's numbers, where the command line does not say otherwise.
void set_course_defaults(const CLI::App& app, program::TrainingFlags& f) {
  const auto unset = [&](const char* flag) { return app.count(flag) == 0; };
  if (unset("--train-batch-size")) f.train_batch_size = 128;
  if (unset("--num-epochs")) f.num_epochs = 10;
  if (unset("--learning-rate")) f.learning_rate = 1e-3;
  if (unset("--lr-scheduler")) f.lr_scheduler = "constant";
  if (unset("--lr-warmup-steps")) f.lr_warmup_steps = 0;
  if (unset("--max-grad-norm")) f.max_grad_norm = 0;
  if (unset("--use-ema")) f.use_ema = false;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Learns to draw handwritten digits.", "mnist");
  add_flags(app, flags);
  return program::run(app, argc, argv, [&] {
    set_default_device(device_named(flags.training.device));
    if (flags.recipe == "corrupt")
      set_course_defaults(app, flags.training);
    else if (app.count("--num-epochs") + app.count("--max-train-steps") == 0)
      flags.training.max_train_steps = kPatientSteps;
    const data::MnistSource source = data::find_mnist(
        flags.data, data::fetch_mnist_by(IMAGO_SOURCE_DIR "/scripts/fetch_mnist.cmake"));
    fmt::print(stderr, "{}\n", source.sentence);
    const data::ImageDataset digits = source.load(data::MnistPart::train);
    return flags.recipe == "ddpm" ? train_ddpm(flags, digits) : train_corrupt(flags, digits);
  });
}
