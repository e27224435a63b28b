#include "diffusion/scheduler_config.h"

#include "core/check.h"

namespace imago::diffusion {
namespace {

using Config = SchedulerConfig;

void check_numbers(const Config& c) {
  constexpr int64_t kMostTimesteps = 1000000;  // there are tables of them
  IMAGO_CHECK(1 <= c.num_train_timesteps && c.num_train_timesteps <= kMostTimesteps,
              "scheduler: num_train_timesteps must be in [1, ", kMostTimesteps, "], got ", c.num_train_timesteps);
  IMAGO_CHECK(c.trained_betas.empty() || static_cast<int64_t>(c.trained_betas.size()) == c.num_train_timesteps,
              "scheduler: trained_betas must have num_train_timesteps = ", c.num_train_timesteps, " entries, got ",
              c.trained_betas.size());
  for (const double beta : c.trained_betas)
    IMAGO_CHECK(0 < beta && beta < 1, "scheduler: trained_betas must be in (0, 1), got ", beta);
  IMAGO_CHECK(c.clip_sample_range > 0, "scheduler: clip_sample_range must be positive, got ", c.clip_sample_range);
  IMAGO_CHECK(c.dynamic_thresholding_ratio >= 0 && c.dynamic_thresholding_ratio <= 1,
              "scheduler: dynamic_thresholding_ratio must be in [0, 1], got ", c.dynamic_thresholding_ratio);
  IMAGO_CHECK(c.steps_offset >= 0, "scheduler: steps_offset must not be negative, got ", c.steps_offset);
  for (const auto& [name, value] : {std::pair("rho", c.rho), std::pair("sigma_data", c.sigma_data),
                                    std::pair("shift", c.shift), std::pair("flow_shift", c.flow_shift),
                                    std::pair("sigma_min", c.sigma_min.value_or(1)),
                                    std::pair("sigma_max", c.sigma_max.value_or(1))})
    IMAGO_CHECK(value > 0, "scheduler: ", name, " must be positive, got ", value);
  IMAGO_CHECK(!c.sigma_min || !c.sigma_max || *c.sigma_min < *c.sigma_max,
              "scheduler: sigma_max must be above sigma_min, ", c.sigma_min.value_or(0), ", got ",
              c.sigma_max.value_or(0));
  IMAGO_CHECK(!c.shift_terminal || (0 <= *c.shift_terminal && *c.shift_terminal < 1),
              "scheduler: shift_terminal must be in [0, 1), got ", c.shift_terminal.value_or(0));
}

// Each of them says all about sigma.
void check_sigmas(const Config& c) {
  const char* first = nullptr;
  const std::pair<const char*, bool> switches[] = {{"use_karras_sigmas", c.use_karras_sigmas},
                                                   {"use_exponential_sigmas", c.use_exponential_sigmas},
                                                   {"use_beta_sigmas", c.use_beta_sigmas},
                                                   {"use_lu_lambdas", c.use_lu_lambdas},
                                                   {"use_flow_sigmas", c.use_flow_sigmas}};
  for (const auto& [name, used] : switches) {
    IMAGO_CHECK(!used || !first, "scheduler: ", first ? first : "", " and ", name, " exclude each other");
    if (used) first = name;
  }
}

void check_solver(const std::string& name, const Config& c) {
  IMAGO_CHECK(1 <= c.solver_order && c.solver_order <= 3, "scheduler: solver_order must be 1, 2 or 3, got ",
              c.solver_order);
  const bool plus_plus =
      c.algorithm_type == AlgorithmType::dpmsolver_pp || c.algorithm_type == AlgorithmType::sde_dpmsolver_pp;
  IMAGO_CHECK(plus_plus || !name.starts_with("EDM"), "scheduler: algorithm_type of a ", name,
              " must be dpmsolver++ or sde-dpmsolver++");
  IMAGO_CHECK(plus_plus || c.final_sigmas_type != FinalSigma::zero,
              "scheduler: final_sigmas_type must be sigma_min unless algorithm_type is dpmsolver++ or sde-dpmsolver++, "
              "got zero");
  IMAGO_CHECK(c.algorithm_type != AlgorithmType::sde_dpmsolver || c.solver_order < 3,
              "scheduler: solver_order must be 1 or 2 where algorithm_type is sde-dpmsolver, got 3");
}

// What the model may predict, by class.
void check_prediction(const std::string& name, const Config& c) {
  const PredictionType p = c.prediction_type;
  const bool edm = name.starts_with("EDM");
  IMAGO_CHECK(p != PredictionType::sample || !(edm || name == "PNDMScheduler"),
              "scheduler: prediction_type of a ", name, " must be epsilon or v_prediction, got sample");
  const bool flows = name == "FlowMatchEulerDiscreteScheduler" || c.use_flow_sigmas;
  IMAGO_CHECK(p != PredictionType::flow_prediction || flows,
              "scheduler: prediction_type flow_prediction needs use_flow_sigmas of a DPMSolverMultistepScheduler");
}

}  // namespace

SchedulerConfig default_config(std::string_view class_name) {
  Config c;
  if (class_name.starts_with("DDPM") || class_name.starts_with("DDIM")) return c;
  c.clip_sample = false;
  c.variance_type = VarianceType::none;
  if (class_name.starts_with("PNDM")) {
    c.set_alpha_to_one = false;
    return c;
  }
  c.timestep_spacing = TimestepSpacing::linspace;
  if (class_name.starts_with("Heun")) c.beta_start = 0.00085, c.beta_end = 0.012;
  if (class_name.starts_with("EDM")) c.sigma_min = 0.002, c.sigma_max = 80;
  if (class_name.starts_with("FlowMatch")) c.prediction_type = PredictionType::flow_prediction;
  return c;
}

void check(const NamedSchedulerConfig& named) {
  const auto& [name, c] = named;
  check_numbers(c);
  check_sigmas(c);
  check_prediction(name, c);
  if (name.find("DPMSolver") != name.npos) check_solver(name, c);
  IMAGO_CHECK(!name.starts_with("EDM") || (c.sigma_min && c.sigma_max), "scheduler: sigma_min and sigma_max of a ",
              name, " must be numbers, got null");
  IMAGO_CHECK(name != "DDPMScheduler" || c.variance_type != VarianceType::none,
              "scheduler: variance_type must not be null for a DDPMScheduler");
}

}  // namespace imago::diffusion
