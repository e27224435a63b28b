#include "diffusion/heun.h"

#include "diffusion/euler.h"

namespace imago::diffusion {
namespace {

constexpr int kSlope = 0;  // the memory with the slope at the beginning of the step

// Every sigma but the first and the last twice: where a step ends, and where the next one begins.
std::vector<double> doubled(const std::vector<double>& values, size_t n) {
  std::vector<double> out;
  for (size_t i = 0; i < values.size(); ++i) out.insert(out.end(), i == 0 || i == n ? 1 : 2, values[i]);
  return out;
}

}  // namespace

Scheduler::Timetable HeunDiscreteScheduler::timetable(int64_t n, std::optional<double> mu) const {
  const Timetable once = SigmaScheduler::timetable(n, mu);
  return {doubled(once.timesteps, once.timesteps.size()), doubled(once.sigmas, once.timesteps.size())};
}

Scheduler::Timetable HeunDiscreteScheduler::custom_timetable(std::vector<double> timesteps) const {
  const Timetable once = SigmaScheduler::custom_timetable(std::move(timesteps));
  return {doubled(once.timesteps, once.timesteps.size()), doubled(once.sigmas, once.timesteps.size())};
}

// Call 0 of a step, at sigma, with the slope d = (x - x0) / sigma:
//   x' = x + (sigma' - sigma) d
// Call 1, at sigma', with the slope d' = (x' - x0') / sigma' there; the step is made once more with their average:
//   x'' = x + (sigma' - sigma) (d + d') / 2 = x' + (sigma' - sigma) (d' - d) / 2
// The last step, to sigma' = 0, has no call 1.
void HeunDiscreteScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  IMAGO_CHECK(options.first_step % 2 == 0,
              "plan: a HeunDiscreteScheduler must start at the first call of a step, an even one, got first_step ",
              options.first_step);
  DenoiseCoefficients& c = step.update;
  const double sigma = sigmas()[k];
  predict_x0_at(sigma, sigma, c);
  if (k % 2 == 0) {
    euler_step(sigma, sigmas()[k + 1], 0, c);
    c.keep = kSlope, c.keep_x = 1 / sigma, c.keep_x0 = -1 / sigma;
    return;
  }
  const double half = (sigma - sigmas()[k - 1]) / 2;
  c.x_x = 1 + half / sigma, c.x_x0 = -half / sigma, c.x_memory[kSlope] = -half;
}

}  // namespace imago::diffusion
