// What a scheduler is made from: the options of diffusers' schedulers, under their names, and the JSON form that
// diffusers keeps them in (scheduler_config.json).
#pragma once

#include <limits>
#include <map>
#include <optional>
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
// (Nichol & Dhariwal 2021, section 3.1). none: not said, for DPM-Solver, which asks only whether the
// model has channels for it.
enum class VarianceType : uint8_t { none, fixed_small, fixed_small_log, fixed_large, learned, learned_range };

// DPM-Solver (Lu et al. 2022, arXiv:2206.00927) integrates epsilon, DPM-Solver++ (arXiv:2211.01095) x0; each also for
// the stochastic differential equation, with noise in every step.
enum class AlgorithmType : uint8_t { dpmsolver, dpmsolver_pp, sde_dpmsolver, sde_dpmsolver_pp };
enum class SolverType : uint8_t { midpoint, heun };  // of its second order
enum class FinalSigma : uint8_t { zero, sigma_min };
enum class Interpolation : uint8_t { linear, log_linear };  // Euler: of sigma over the time steps
enum class TimestepType : uint8_t { discrete, continuous };  // Euler: continuous is log(sigma) / 4
enum class SigmaSchedule : uint8_t { karras, exponential };  // EDM
enum class TimeShift : uint8_t { exponential, linear };

// One struct for all classes, as most options are shared; which class has which is in scheduler_json.cpp. The defaults
// here are those of DDPM and DDIM; the other classes' come from default_config().
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
  int64_t steps_offset = 0;             // with leading
  bool rescale_betas_zero_snr = false;  // Lin et al. 2023, algorithm 1
  VarianceType variance_type = VarianceType::fixed_small;  // DDPM
  bool set_alpha_to_one = true;  // DDIM, PNDM: alpha_bar before the first step is 1, else alpha_bar_0
  bool skip_prk_steps = false;   // PNDM: no Runge-Kutta steps at the start

  // DPM-Solver
  int64_t solver_order = 2;
  AlgorithmType algorithm_type = AlgorithmType::dpmsolver_pp;
  SolverType solver_type = SolverType::midpoint;
  bool lower_order_final = true;  // the last steps of a run of fewer than 15 are of lower order
  bool euler_at_final = false;    // the last step is of first order
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();

  // How sigma falls, in place of what the time steps say: at most one.
  bool use_karras_sigmas = false, use_exponential_sigmas = false, use_beta_sigmas = false;
  bool use_lu_lambdas = false, use_flow_sigmas = false;  // DPM-Solver
  double flow_shift = 1;                                 // with use_flow_sigmas
  FinalSigma final_sigmas_type = FinalSigma::zero;
  std::optional<double> sigma_min = {}, sigma_max = {};

  // Euler
  Interpolation interpolation_type = Interpolation::linear;
  TimestepType timestep_type = TimestepType::discrete;

  // EDM, Karras et al. 2022 (arXiv:2206.00364)
  double sigma_data = 0.5, rho = 7;
  SigmaSchedule sigma_schedule = SigmaSchedule::karras;

  // Flow matching
  double shift = 1;
  bool use_dynamic_shifting = false;  // by mu, which set_timesteps() is told
  TimeShift time_shift_type = TimeShift::exponential;
  double base_shift = 0.5, max_shift = 1.15;
  int64_t base_image_seq_len = 256, max_image_seq_len = 4096;
  bool invert_sigmas = false, stochastic_sampling = false;
  std::optional<double> shift_terminal = {};

  // What a file says beside the class's own options, as JSON: it has no effect, and is saved again.
  std::map<std::string, std::string> unknown = {};

  bool operator==(const SchedulerConfig&) const = default;
};

// The defaults of a class: "DPMSolverMultistepScheduler".
SchedulerConfig default_config(std::string_view class_name);

const char* name_of(BetaSchedule value);
const char* name_of(PredictionType value);
const char* name_of(TimestepSpacing value);
// By that name; scaled_linear is also "quad", as in the code of Ho et al., and "quadratic". Throw
// when there is none, and say which there are.
BetaSchedule beta_schedule(std::string_view name);
PredictionType prediction_type(std::string_view name);
TimestepSpacing timestep_spacing(std::string_view name);

// The class and its options, as scheduler_config.json says it.
struct NamedSchedulerConfig {
  std::string class_name;  // "DDPMScheduler", "DDIMScheduler", ...
  SchedulerConfig config;
};

// Keys that the class does not have are kept apart, absent ones mean the class's default, an absent
// _class_name means DDPMScheduler. With a class name of one's own it is what diffusers calls from_config(): the keys
// that are present carry over to that class, all others are its defaults. Throws where a value is of the wrong type or
// has no meaning.
NamedSchedulerConfig parse_scheduler_config(std::string_view json, std::string_view class_name = {});
// Whether a model with this scheduler, perhaps of a class that is not here, was trained with DDPM's noise: not with
// that of EDM or of flow matching.
bool is_for_ddpm(std::string_view json);
// The _class_name that the text gives, if it does.
std::optional<std::string> class_name_in(std::string_view json);
// The text with this one instead; what else it says stays, and what it leaves out.
std::string with_class_name(std::string_view json, std::string_view class_name);
// Every option that the class has, sorted, indented by two, with a newline at the end.
std::string to_json(const NamedSchedulerConfig& config);

// The config with the class's defaults for all options that the class does not have.
SchedulerConfig own_options(std::string_view class_name, SchedulerConfig config);
// Throws unless the options make sense together and the class can follow them.
void check(const NamedSchedulerConfig& config);

}  // namespace imago::diffusion
