#include "examples/program/picture_run.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "data/image_folder.h"
#include "diffusion/pipeline.h"
#include "examples/program/command_line.h"
#include "examples/program/interrupt.h"

namespace imago::program {
namespace {

struct Preset {
  const char* name;
  int64_t resolution;
  std::vector<int64_t> block_out_channels;
  int64_t layers_per_block, attention_levels, norm_num_groups;  // attention counts from the lowest level
  int64_t train_batch_size, num_epochs, max_train_steps, lr_warmup_steps;
  double learning_rate;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = {
      // A quarter of an hour on two processors.
      {"small", 32, {32, 48, 64}, 1, 1, 8, 16, 0, 3000, 200, 1e-3},
      // 64 x 64 pixels, attention on the two lowest levels: minutes on a GPU.
      {"medium", 64, {64, 128, 256, 512}, 2, 2, 32, 32, 50, 0, 500, 1e-4},
      // The network and the numbers of diffusers' tutorial on unconditional training.
      {"tutorial", 128, {128, 128, 256, 256, 512, 512}, 2, 1, 32, 16, 50, 0, 500, 1e-4},
  };
  return all;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names = {"auto"};
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

// "auto" is what a person can wait for.
const Preset& chosen_preset(const std::string& name) {
  const std::string wanted = name != "auto" ? name : default_device() == Device::cuda ? "medium" : "small";
  for (const Preset& preset : presets())
    if (preset.name == wanted) return preset;
  fail("--preset: must be one of ", fmt::format("{}", fmt::join(preset_names(), ", ")), ", got ", name);
}

// What the command line does not say.
void fill_in(const CLI::App& app, const Preset& preset, PictureFlags& f) {
  const auto given = [&](const char* flag) { return app.count(flag) > 0; };
  if (!given("--resolution")) f.resolution = preset.resolution;
  if (!given("--block-out-channels")) f.block_out_channels = preset.block_out_channels;
  if (!given("--layers-per-block")) f.layers_per_block = preset.layers_per_block;
  if (!given("--attention-levels")) f.attention_levels = preset.attention_levels;
  if (!given("--norm-num-groups")) f.norm_num_groups = preset.norm_num_groups;
  TrainingFlags& t = f.training;
  if (!given("--train-batch-size")) t.train_batch_size = preset.train_batch_size;
  if (!given("--learning-rate")) t.learning_rate = preset.learning_rate;
  if (!given("--lr-warmup-steps")) t.lr_warmup_steps = preset.lr_warmup_steps;
  if (!given("--num-epochs") && !given("--max-train-steps")) {
    t.max_train_steps = preset.max_train_steps;
    if (preset.num_epochs) t.num_epochs = preset.num_epochs;
  }
  if (!given("--eval-batch-size")) t.eval_batch_size = 16;
}

nn::UNet2DConfig unet_config(const PictureFlags& f) {
  const auto levels = static_cast<int64_t>(f.block_out_channels.size());
  IMAGO_CHECK(f.attention_levels >= 0 && f.attention_levels <= levels, "--attention-levels must be from 0 to ", levels,
              ", the number of levels, got ", f.attention_levels);
  nn::UNet2DConfig config;
  config.sample_size = {f.resolution, f.resolution};
  config.block_out_channels = f.block_out_channels;
  config.layers_per_block = f.layers_per_block;
  config.norm_num_groups = f.norm_num_groups;
  config.down_block_types.clear();
  config.up_block_types.clear();
  for (int64_t i = 0; i < levels; ++i) {
    const bool down_attends = i >= levels - f.attention_levels, up_attends = i < f.attention_levels;
    config.down_block_types.emplace_back(down_attends ? "AttnDownBlock2D" : "DownBlock2D");
    config.up_block_types.emplace_back(up_attends ? "AttnUpBlock2D" : "UpBlock2D");
  }
  IMAGO_CHECK(f.resolution % config.downsampling() == 0, "--resolution must be a multiple of ", config.downsampling(),
              " for ", levels, " levels, got ", f.resolution);
  return config;
}

// A model to go on from brings its own sizes.
nn::UNet2D pretrained_unet(const CLI::App& app, PictureFlags& f) {
  for (const char* flag : {"--block-out-channels", "--layers-per-block", "--attention-levels", "--norm-num-groups"})
    IMAGO_CHECK(app.count(flag) == 0, flag, " and --pretrained exclude each other: the model has its own");
  nn::UNet2D unet = diffusion::load_unet(f.pretrained);
  const nn::UNet2DConfig& config = unet.config();
  const bool square = config.sample_size && config.sample_size->height == config.sample_size->width;
  IMAGO_CHECK(square && config.in_channels == 3 && config.out_channels == 3 && !config.has_classes(),
              "--pretrained: ", f.pretrained, " must be a model of square pictures in three channels without classes");
  if (app.count("--resolution") == 0) f.resolution = config.sample_size->height;
  IMAGO_CHECK(f.resolution == config.sample_size->height, "--resolution must be ", config.sample_size->height,
              " as the model's, got ", f.resolution);
  return unet;
}

void say_what_was_chosen(const PictureFlags& f, const Preset& preset) {
  if (f.pretrained.empty())
    fmt::print(stderr, "preset {}: {} x {} pixels, channels {}, {} layer{} per level, attention on the lowest {}\n",
               preset.name, f.resolution, f.resolution, fmt::join(f.block_out_channels, " "), f.layers_per_block,
               f.layers_per_block == 1 ? "" : "s", f.attention_levels);
  else
    fmt::print(stderr, "going on from {}: {} x {} pixels\n", f.pretrained, f.resolution, f.resolution);
}

}  // namespace

void add_picture_flags(CLI::App& app, PictureFlags& f) {
  const char* group = "Pictures and network";
  const auto add = [&](const char* flag, auto& value, const char* help) {
    return app.add_option(flag, value, help)->group(group);
  };
  add("--preset", f.preset,
      "small (32 x 32, for processors), medium (64 x 64), tutorial (128 x 128, as diffusers'), or auto: what suits the "
      "machine")
      ->check(CLI::IsMember(preset_names()));
  add("--resolution", f.resolution, "pictures are scaled to this height and width")->check(positive);
  add("--fit", f.fit, "crop: scale the short side and cut out the middle; squeeze: scale both sides")
      ->check(CLI::IsMember({"crop", "squeeze"}));
  add("--block-out-channels", f.block_out_channels, "channels of the UNet's levels")->check(positive)->expected(1, 8);
  add("--layers-per-block", f.layers_per_block, "residual blocks per level")->check(positive);
  add("--attention-levels", f.attention_levels, "how many levels have attention, from the lowest up")
      ->check(not_negative);
  add("--norm-num-groups", f.norm_num_groups, "groups of the normalisations")->check(positive);
  add("--pretrained", f.pretrained, "folder of a model in diffusers' format to go on from");
  add_ddpm_flags(app, f.ddpm);
  add_training_flags(app, f.training);
}

int train_pictures(const std::string& name, const CLI::App& app, PictureFlags f, const LoadPictures& load) {
  const Preset& preset = chosen_preset(f.preset);
  fill_in(app, preset, f);
  nn::UNet2D unet =
      f.pretrained.empty() ? nn::UNet2D(unet_config(f), nn::Init::random(f.training.seed)) : pretrained_unet(app, f);
  unet.set_gradient_checkpointing(nn::gradient_checkpointing_named(f.training.gradient_checkpointing));
  say_what_was_chosen(f, preset);
  const data::ImageDataset pictures = load(f.resolution, f.fit == "crop" ? data::Fit::crop : data::Fit::squeeze);
  return train_ddpm(name, unet, pictures, f.ddpm, f.training,
                    {{"resolution", std::to_string(f.resolution)},
                     {"block_out_channels", fmt::format("{}", fmt::join(f.block_out_channels, " "))},
                     {"fit", f.fit},
                     {"pretrained", f.pretrained}});
}

data::ImageDataset load_picture_folder(const std::string& folder, int64_t resolution, data::Fit fit) {
  const bool terminal = isatty(fileno(stderr)) != 0;
  const data::ImageFolder set =
      data::load_image_folder(folder, {.resolution = resolution,
                                       .fit = fit,
                                       .cache = data::default_image_cache(),
                                       .progress = [&](int64_t done, int64_t total) {
                                         stop_if_interrupted();
                                         if (terminal)
                                           fmt::print(stderr, "\r\x1b[Kreading pictures: {}/{}", done, total);
                                       }});
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  fmt::print(stderr, "{} pictures from {}{}\n", set.dataset.size(), folder, set.from_cache ? ", decoded before" : "");
  constexpr size_t kNamed = 5;
  for (size_t i = 0; i < std::min(kNamed, set.skipped.size()); ++i)
    fmt::print(stderr, "skipped: {}\n", set.skipped[i].why);
  if (set.skipped.size() > kNamed) fmt::print(stderr, "skipped: {} more like that\n", set.skipped.size() - kNamed);
  return set.dataset;
}

}  // namespace imago::program
