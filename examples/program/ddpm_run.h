// Denoising diffusion (Ho et al. 2020, arXiv:2006.11239) as a training run: what mnist, butterflies and `imago train`
// have in common.
#pragma once

#include "data/dataset.h"
#include "diffusion/scheduler.h"
#include "diffusion/scheduler_config.h"
#include "examples/program/training_flags.h"
#include "nn/unet2d.h"

namespace imago::program {

// The flags of the noise schedule, the loss and the sampler.
struct DdpmFlags {
  int64_t ddpm_num_steps = 1000, ddpm_num_inference_steps = 100;
  std::string ddpm_beta_schedule = "linear", prediction_type = "epsilon", sampler = "ddpm";
  double snr_gamma = 0;        // min-SNR weighting of the loss; 0: none
  bool snr_weighting = false;  // weighting by the signal-to-noise ratio itself
  diffusion::SchedulerConfig others = {};  // what no flag says, such as the variance of a model to go on from

  // Throws unless the numbers make sense together.
  void check() const;
  diffusion::Settings settings() const;
};
void add_ddpm_flags(CLI::App& app, DdpmFlags& flags);

// Trains the UNet to take noise from the images, draws with it, and saves it as a pipeline of diffusers.
// Images are u8 (M, H, W, C) with the H, W and C of the UNet's config. `name` names the default folder; `settings` are
// kept with the run's, and must not change when it is resumed. Returns the exit code of train().
int train_ddpm(const std::string& name, const nn::UNet2D& unet, const data::ImageDataset& images, const DdpmFlags& ddpm,
               const TrainingFlags& training, const diffusion::Settings& settings);

}  // namespace imago::program
