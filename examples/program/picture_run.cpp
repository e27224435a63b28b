#include "examples/program/picture_run.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "data/image_folder.h"
#include "diffusion/pipeline.h"
#include "diffusion/scheduler_config.h"
#include "examples/program/command_line.h"
#include "examples/program/interrupt.h"

namespace imago::program {
namespace {

namespace fs = std::filesystem;

// The defaults are those of diffusers' train_unconditional.py, and of nets for 64 x 64 pixels.
struct Preset {
  const char* name;
  int64_t resolution;
  std::vector<int64_t> block_out_channels;
  int64_t layers_per_block = 2, norm_num_groups = 32;
  int64_t plain_levels = 0, attention_levels = 2;  // from the lowest level up
  const char *fit = "crop", *prediction_type = "epsilon";
  double snr_gamma = 0;
  int64_t train_batch_size = 16, num_epochs = 50, max_train_steps = 0, lr_warmup_steps = 500;
  double learning_rate = 1e-4, adam_beta1 = 0.95, adam_weight_decay = 1e-6;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = {
      // A quarter of an hour on two processors. In so few steps a network does not learn epsilon well enough where
      // there is nearly nothing but noise, and an error of epsilon is a large one of x_0: so it learns v, and the loss
      // is not spent on details (min-SNR).
      {.name = "small",
       .resolution = 32,
       .block_out_channels = {16, 48, 96, 96},
       .layers_per_block = 1,
       .norm_num_groups = 8,
       .prediction_type = "v_prediction",
       .snr_gamma = 5,
       .num_epochs = 0,
       .max_train_steps = 3400,
       .lr_warmup_steps = 200,
       .learning_rate = 1e-3},
      // Minutes on a GPU.
      {.name = "medium", .resolution = 64, .block_out_channels = {64, 128, 256, 512}, .train_batch_size = 32},
      // The network and the numbers of diffusers' tutorial on unconditional training.
      {.name = "tutorial",
       .resolution = 128,
       .block_out_channels = {128, 128, 256, 256, 512, 512},
       .plain_levels = 1,
       .attention_levels = 1,
       .fit = "squeeze",
       .adam_beta1 = 0.9,
       .adam_weight_decay = 1e-2},
  };
  return all;
}

constexpr double kFineTuningRate = 1e-4;  // at most, for a model that has learnt already

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
  const auto choose = [&](const char* flag, auto& value, const auto& otherwise) {
    if (!given(flag)) value = otherwise;
  };
  choose("--resolution", f.resolution, preset.resolution);
  choose("--fit", f.fit, preset.fit);
  choose("--block-out-channels", f.block_out_channels, preset.block_out_channels);
  choose("--layers-per-block", f.layers_per_block, preset.layers_per_block);
  const auto levels = static_cast<int64_t>(f.block_out_channels.size());
  choose("--attention-levels", f.plain_levels, std::min(preset.plain_levels, levels - 1));
  choose("--attention-levels", f.attention_levels, std::min(preset.attention_levels, levels - f.plain_levels));
  choose("--norm-num-groups", f.norm_num_groups, preset.norm_num_groups);
  choose("--prediction-type", f.ddpm.prediction_type, preset.prediction_type);
  choose("--snr-gamma", f.ddpm.snr_gamma, f.ddpm.snr_weighting ? 0 : preset.snr_gamma);
  TrainingFlags& t = f.training;
  choose("--train-batch-size", t.train_batch_size, preset.train_batch_size);
  choose("--learning-rate", t.learning_rate,
         f.pretrained.empty() ? preset.learning_rate : std::min(preset.learning_rate, kFineTuningRate));
  choose("--lr-warmup-steps", t.lr_warmup_steps, preset.lr_warmup_steps);
  choose("--adam-beta1", t.adam_beta1, preset.adam_beta1);
  choose("--adam-weight-decay", t.adam_weight_decay, preset.adam_weight_decay);
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
    const auto attends = [&](int64_t above_lowest) {
      return above_lowest >= f.plain_levels && above_lowest < f.plain_levels + f.attention_levels;
    };
    config.down_block_types.emplace_back(attends(levels - 1 - i) ? "AttnDownBlock2D" : "DownBlock2D");
    config.up_block_types.emplace_back(attends(i) ? "AttnUpBlock2D" : "UpBlock2D");
  }
  IMAGO_CHECK(f.resolution % config.downsampling() == 0, "--resolution must be a multiple of ", config.downsampling(),
              " for ", levels, " levels, got ", f.resolution);
  return config;
}

// A model to go on from has learnt to undo its own noise, and to say of it what it says.
void go_on_with_scheduler(const CLI::App& app, PictureFlags& f) {
  const std::string json = diffusion::load_scheduler_config(f.pretrained);
  IMAGO_CHECK(diffusion::is_for_ddpm(json), "--pretrained: ", f.pretrained, " was trained for ",
              diffusion::class_name_in(json).value_or(""), ", which is not supported here; DDPM's noise is");
  DdpmFlags& ddpm = f.ddpm;
  ddpm.others = diffusion::parse_scheduler_config(json, "DDPMScheduler").config;
  const auto given = [&](const char* flag) { return app.count(flag) > 0; };
  if (given("--ddpm-beta-schedule") || given("--ddpm-num-steps")) ddpm.others.trained_betas.clear();
  if (!given("--ddpm-num-steps")) ddpm.ddpm_num_steps = ddpm.others.num_train_timesteps;
  if (!given("--ddpm-beta-schedule")) ddpm.ddpm_beta_schedule = diffusion::name_of(ddpm.others.beta_schedule);
  if (!given("--prediction-type")) ddpm.prediction_type = diffusion::name_of(ddpm.others.prediction_type);
  if (!given("--snr-gamma")) ddpm.snr_gamma = 0;
  if (!given("--ddpm-num-inference-steps"))
    ddpm.ddpm_num_inference_steps = std::min(ddpm.ddpm_num_inference_steps, ddpm.ddpm_num_steps);
}

// What is to be learnt from must not be thrown away, not even after it was read: whoever goes on needs it again.
void check_pretrained_stays(const PictureFlags& f) {
  if (!f.training.overwrite_output_dir || f.training.output_dir.empty()) return;
  const fs::path model = fs::weakly_canonical(f.pretrained), out = fs::weakly_canonical(f.training.output_dir);
  const bool inside = std::mismatch(out.begin(), out.end(), model.begin(), model.end()).first == out.end();
  IMAGO_CHECK(!inside, "--overwrite-output-dir would throw away the model of --pretrained, ", f.pretrained);
}

// It brings its own sizes, too.
nn::UNet2D pretrained_unet(const CLI::App& app, PictureFlags& f) {
  for (const char* flag : {"--block-out-channels", "--layers-per-block", "--attention-levels", "--norm-num-groups"})
    IMAGO_CHECK(app.count(flag) == 0, flag, " and --pretrained exclude each other: the model has its own");
  check_pretrained_stays(f);
  go_on_with_scheduler(app, f);
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
    fmt::print(stderr, "preset {}: {} x {} pixels, channels {}, {} layer{} per level, attention on {} level{}\n",
               preset.name, f.resolution, f.resolution, fmt::join(f.block_out_channels, " "), f.layers_per_block,
               f.layers_per_block == 1 ? "" : "s", f.attention_levels, f.attention_levels == 1 ? "" : "s");
  else
    fmt::print(stderr, "going on from {}: {} x {} pixels, {} betas, predicts {}\n", f.pretrained, f.resolution,
               f.resolution, f.ddpm.others.trained_betas.empty() ? f.ddpm.ddpm_beta_schedule : "its own",
               f.ddpm.prediction_type);
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
  add("--fit", f.fit,
      "crop: scale the short side and cut out the middle; squeeze: scale both sides, which is the tutorial's default")
      ->check(CLI::IsMember({"crop", "squeeze"}));
  add("--block-out-channels", f.block_out_channels, "channels of the UNet's levels")->check(positive)->expected(1, 8);
  add("--layers-per-block", f.layers_per_block, "residual blocks per level")->check(positive);
  add("--attention-levels", f.attention_levels,
      "how many levels have attention, from the lowest up (the tutorial's has it on the one above the lowest)")
      ->check(not_negative);
  add("--norm-num-groups", f.norm_num_groups, "groups of the normalisations")->check(positive);
  add("--pretrained", f.pretrained,
      "folder of a model in diffusers' format to go on from, with its noise schedule, and a learning rate of 1e-4 at "
      "most unless another is given");
  add_ddpm_flags(app, f.ddpm);
  add_training_flags(app, f.training);
}

int train_pictures(const std::string& name, const CLI::App& app, PictureFlags f, const LoadPictures& load) {
  const Preset& preset = chosen_preset(f.preset);
  fill_in(app, preset, f);
  nn::UNet2D unet =
      f.pretrained.empty() ? nn::UNet2D(unet_config(f), nn::Init::random(f.training.seed)) : pretrained_unet(app, f);
  f.ddpm.check();  // before pictures are read
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
