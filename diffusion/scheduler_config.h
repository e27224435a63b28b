// What a scheduler is made from: the options of diffusers' DDPMScheduler and DDIMScheduler, under
// their names and with their defaults, and the JSON form that diffusers keeps them in
// (scheduler_config.json).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diffusion/beta_schedule.h"
#include "kernels/options.h"

namespace imago::diffusion {

// Where the n steps of sampling lie among the time steps of training: Lin et al. 2023
// (arXiv:2305.08891), table 2.
enum class TimestepSpacing : uint8_t { leading, trailing, linspace };

// The variance of DDPM's noise. fixed_small is the posterior's, beta_tilde_t (Ho et al. 2020,
// equation 7), and so is fixed_small_log; fixed_large is beta_t; the other two come from the model
// (Nichol & Dhariwal 2021, section 3.1).
enum class VarianceType : uint8_t {
  fixed_small,
  fixed_small_log,
  fixed_large,
  learned,
  learned_range
};

struct SchedulerConfig {
  int64_t num_train_timesteps = 1000;
  double beta_start = 1e-4, beta_end = 0.02;
  BetaSchedule beta_schedule = BetaSchedule::linear;
  std::vector<double> trained_betas = {};  // in place of the schedule, unless empty
  PredictionType prediction_type = PredictionType::epsilon;
  bool clip_sample = true;  // the predicted x0, to [-clip_sample_range, clip_sample_range]
  double clip_sample_range = 1;
  // Dynamic thresholding, Saharia et al. 2022 (arXiv:2205.11487), in place of clipping.
  bool thresholding = false;
  double dynamic_thresholding_ratio = 0.995, sample_max_value = 1;
  TimestepSpacing timestep_spacing = TimestepSpacing::leading;
  int64_t steps_offset = 0;
  bool rescale_betas_zero_snr = false;
  VarianceType variance_type = VarianceType::fixed_small;  // DDPM
  bool set_alpha_to_one = true;  // DDIM: alpha_bar before the first step is 1, else alpha_bar_0

  bool operator==(const SchedulerConfig&) const = default;
};

const char* name_of(BetaSchedule value);
const char* name_of(PredictionType value);
const char* name_of(TimestepSpacing value);
const char* name_of(VarianceType value);
// By that name; scaled_linear is also "quad", as in the code of Ho et al., and "quadratic". Throw
// when there is none, and say which there are.
BetaSchedule beta_schedule(std::string_view name);
PredictionType prediction_type(std::string_view name);
TimestepSpacing timestep_spacing(std::string_view name);
VarianceType variance_type(std::string_view name);

// The class and its options, as scheduler_config.json says it.
struct NamedSchedulerConfig {
  std::string class_name;  // "DDPMScheduler", "DDIMScheduler"
  SchedulerConfig config;
};

// Keys that imago does not know are ignored, absent ones mean the default, an absent _class_name
// means DDPMScheduler. Throws where a value is of the wrong type or has no meaning.
NamedSchedulerConfig parse_scheduler_config(std::string_view json);
// Every option that the class has, sorted, indented by two, with a newline at the end.
std::string to_json(const NamedSchedulerConfig& config);

}  // namespace imago::diffusion
