#include "examples/program/ddpm_run.h"

#include <CLI/CLI.hpp>

#include "diffusion/pipeline.h"
#include "diffusion/sampler.h"
#include "diffusion/training_loss.h"
#include "examples/program/command_line.h"
#include "examples/program/interrupt.h"
#include "examples/program/pictures.h"
#include "examples/program/training_run.h"

namespace imago::program {
namespace {

namespace fs = std::filesystem;

constexpr data::PixelRange kRange = data::PixelRange::symmetric;

// The forward process, the way back, and the network between them.
class Ddpm {
 public:
  Ddpm(const nn::UNet2D& unet, const DdpmFlags& flags, const TrainingFlags& training)
      : unet_(unet), flags_(flags), training_(training) {
    diffusion::SchedulerConfig schedule = flags.others;
    schedule.num_train_timesteps = flags.ddpm_num_steps;
    schedule.beta_schedule = diffusion::beta_schedule(flags.ddpm_beta_schedule);
    schedule.prediction_type = diffusion::prediction_type(flags.prediction_type);
    forward_ = diffusion::make_scheduler("DDPMScheduler", schedule);
    if (flags.snr_gamma > 0)
      loss_.weights = diffusion::loss_weights(*forward_, diffusion::LossWeighting::min_snr, flags.snr_gamma);
    if (flags.snr_weighting) loss_.weights = diffusion::loss_weights(*forward_, diffusion::LossWeighting::snr);
    const std::string sampler(diffusion::scheduler_class(flags.sampler));
    diffusion::SchedulerConfig sampling =
        diffusion::parse_scheduler_config(diffusion::to_json(*forward_), sampler).config;
    sampling.skip_prk_steps = true;  // pndm: its first steps would take four calls of the model each
    // Start at the last time step: pure noise is what the model knows from there, and nowhere else.
    sampling.timestep_spacing = diffusion::TimestepSpacing::trailing;
    reverse_ = diffusion::make_scheduler(sampler, sampling);
    reverse_->set_timesteps(flags.ddpm_num_inference_steps);
  }

  // Equation 14, with ab = alpha_bar_t, and y = epsilon, x_0 or v as --prediction-type says:
  // L = E || y - y_theta(sqrt(ab) x_0 + sqrt(1 - ab) epsilon, t) ||^2
  Variable loss(const diffusion::PickedImages& x0, const diffusion::BatchKey& key) const {
    return diffusion::training_loss([&](const Variable& x_t, const Tensor& t) { return unet_(x_t, t); }, *forward_, x0,
                                    key, loss_);
  }

  Tensor draw(int64_t count, const diffusion::SampleCallback& look = {}) const {
    const auto& [size, channels] = std::pair(unet_.config().sample_size.value(), unet_.config().in_channels);
    const auto each_step = [&](const diffusion::SampleProgress& p) {
      stop_if_interrupted();
      if (look) look(p);
    };
    return diffusion::sample([&](const Tensor& x_t, const Tensor& t) { return unet_(x_t, t).value(); }, *reverse_,
                             {count, size.height, size.width, channels},
                             {.steps = flags_.ddpm_num_inference_steps,
                              .seed = training_.seed,
                              .graph = training_.graph},
                             each_step);
  }

  // Some pictures on their way: x_t above the x_0 predicted from it.
  void draw_denoising(const fs::path& png) const {
    // Heun's method calls the model twice a step.
    Strip strip(4, static_cast<int64_t>(reverse_->timesteps().size()), 12);
    draw(4, [&](const diffusion::SampleProgress& p) { strip.add(p.step, p.x, p.x0); });
    strip.write(png, kRange);
  }

  std::string scheduler_json() const { return diffusion::to_json(*forward_); }

 private:
  const nn::UNet2D& unet_;
  const DdpmFlags& flags_;
  const TrainingFlags& training_;
  diffusion::LossOptions loss_;
  std::unique_ptr<diffusion::Scheduler> forward_, reverse_;
};

}  // namespace

void add_ddpm_flags(CLI::App& app, DdpmFlags& f) {
  const char* group = "Diffusion";
  app.add_option("--ddpm-num-steps", f.ddpm_num_steps, "time steps of the noise schedule")
      ->check(positive)
      ->group(group);
  app.add_option("--ddpm-beta-schedule", f.ddpm_beta_schedule,
                 "linear, scaled_linear, squaredcos_cap_v2, sigmoid or laplace")
      ->check(CLI::IsMember({"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"}))
      ->group(group);
  app.add_option("--prediction-type", f.prediction_type, "epsilon, sample or v_prediction")->group(group);
  app.add_option("--snr-gamma", f.snr_gamma,
                 "weigh the loss by the signal-to-noise ratio, cut off here (min-SNR; 5 is usual); 0: do not")
      ->check(not_negative)
      ->group(group);
  app.add_flag("--snr-weighting", f.snr_weighting,
               "weigh the loss by the signal-to-noise ratio itself, as diffusers' script does with --prediction-type "
               "sample")
      ->group(group);
  app.add_option("--sampler", f.sampler, "how samples are drawn")
      ->check(CLI::IsMember(diffusion::sampler_names()))
      ->group(group);
  app.add_option("--ddpm-num-inference-steps", f.ddpm_num_inference_steps, "steps of sampling")
      ->check(positive)
      ->group(group);
}

void DdpmFlags::check() const {
  IMAGO_CHECK(ddpm_num_inference_steps <= ddpm_num_steps,
              "--ddpm-num-inference-steps must be at most --ddpm-num-steps, ", ddpm_num_steps, ", got ",
              ddpm_num_inference_steps);
  IMAGO_CHECK(!snr_weighting || snr_gamma == 0, "--snr-weighting and --snr-gamma exclude each other");
}

diffusion::Settings DdpmFlags::settings() const {
  diffusion::Settings settings = {{"ddpm_num_steps", std::to_string(ddpm_num_steps)},
                                  {"ddpm_beta_schedule", ddpm_beta_schedule},
                                  {"prediction_type", prediction_type},
                                  {"snr_gamma", std::to_string(snr_gamma)}};
  if (snr_weighting) settings.emplace_back("snr_weighting", "yes");
  return settings;
}

int train_ddpm(const std::string& name, const nn::UNet2D& unet, const data::ImageDataset& images,
               const DdpmFlags& flags, const TrainingFlags& training, const diffusion::Settings& settings) {
  flags.check();
  const Ddpm ddpm(unet, flags, training);
  Recipe recipe{.name = name, .model = &unet};
  recipe.loss = [&](const diffusion::PickedImages& x0, const diffusion::BatchKey& key) { return ddpm.loss(x0, key); };
  recipe.draw_samples = [&](const fs::path& png) { write_grid(png, ddpm.draw(training.eval_batch_size), kRange); };
  recipe.draw_final = [&](const fs::path& folder) { ddpm.draw_denoising(folder / "denoising.png"); };
  recipe.save_model = [&](const fs::path& folder) { diffusion::save_pipeline(folder, unet, ddpm.scheduler_json()); };
  recipe.settings = settings;
  for (const auto& setting : flags.settings()) recipe.settings.push_back(setting);
  recipe.settings.emplace_back("unet", nn::to_json(unet.config()));
  recipe.settings.emplace_back("scheduler", ddpm.scheduler_json());
  return train(recipe, images, training);
}

}  // namespace imago::program
