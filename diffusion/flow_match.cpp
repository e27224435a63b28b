#include "diffusion/flow_match.h"

#include <algorithm>
#include <cmath>

#include "diffusion/noise_levels.h"

namespace imago::diffusion {
namespace {

double time_shifted(double sigma, double mu, TimeShift type) {
  return shifted(sigma, type == TimeShift::exponential ? std::exp(mu) : mu);
}

// So that the last sigma is the terminal one.
void stretch(std::vector<double>& sigmas, double terminal) {
  const double scale = (1 - sigmas.back()) / (1 - terminal);
  for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
}

}  // namespace

// The least sigma is that of training, shifted already, and all of them are shifted then: so diffusers has it.
Scheduler::Timetable FlowMatchEulerDiscreteScheduler::timetable(int64_t n, std::optional<double> mu) const {
  const SchedulerConfig& c = config();
  IMAGO_CHECK(!c.use_dynamic_shifting || mu, "set_timesteps: use_dynamic_shifting needs mu");
  const double N = static_cast<double>(c.num_train_timesteps);
  const float least = static_cast<float>(c.use_dynamic_shifting ? 1 / N : shifted(1 / N, c.shift));
  Timetable out;
  out.sigmas = linspace(1, least, n);
  for (double& s : out.sigmas)
    s = c.use_dynamic_shifting ? time_shifted(s, *mu, c.time_shift_type) : shifted(s, c.shift);
  if (c.shift_terminal.value_or(0) > 0) stretch(out.sigmas, *c.shift_terminal);
  const std::vector<double> configured = configured_sigmas(c, out.sigmas.front(), out.sigmas.back(), n);
  if (!configured.empty()) out.sigmas = configured;
  for (double& sigma : out.sigmas) {
    sigma = static_cast<float>(c.invert_sigmas ? 1 - sigma : sigma);
    out.timesteps.push_back(static_cast<float>(sigma * N));
  }
  out.sigmas.push_back(c.invert_sigmas ? 1 : 0);
  return out;
}

Scheduler::Timetable FlowMatchEulerDiscreteScheduler::custom_timetable(std::vector<double>) const {
  fail("set_custom_timesteps: a FlowMatchEulerDiscreteScheduler goes by its sigmas");
}

// x_0 = x - sigma v; then x' = x + (sigma' - sigma) v, or with new noise (1 - sigma') x_0 + sigma' z.
void FlowMatchEulerDiscreteScheduler::plan_step(size_t k, const StepOptions&, SamplingStep& step) const {
  const double sigma = sigmas()[k], next = sigmas()[k + 1];
  DenoiseCoefficients& c = step.update;
  predict_x0(PredictionType::flow_prediction, 1 - sigma, sigma, c);
  step.draws_noise = config().stochastic_sampling;
  if (config().stochastic_sampling)
    c.x_x0 = 1 - next, c.sigma = next;
  else
    c.x_x = 1, c.x_model = next - sigma;
}

}  // namespace imago::diffusion
