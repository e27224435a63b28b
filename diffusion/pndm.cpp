#include "diffusion/pndm.h"

#include <algorithm>
#include <cmath>

namespace imago::diffusion {
namespace {

// Memories: the model's outputs at the beginnings of three steps, in turn, and one for the calls within a step.
constexpr size_t kOutputs = 3, kWithin = 3;

// Adams and Bashforth's weights of the latest output and those before it, by how many there are.
constexpr double kAdamsBashforth[4][4] = {{1},
                                          {3. / 2, -1. / 2},
                                          {23. / 12, -16. / 12, 5. / 12},
                                          {55. / 24, -59. / 24, 37. / 24, -9. / 24}};

}  // namespace

// A Runge-Kutta step has four calls: at its beginning, twice in its middle, at its end. Without such steps the first
// step has two: one shows where it leads, then it is made with the average of both ends.
Scheduler::Timetable PNDMScheduler::timetable(int64_t n, std::optional<double> mu) const {
  const std::vector<double> steps = Scheduler::timetable(n, mu).timesteps;
  if (config().skip_prk_steps) {
    std::vector<double> calls = steps;
    if (n > 1) calls.insert(calls.begin() + 1, steps[1]);
    return {calls};
  }
  IMAGO_CHECK(n >= 4, "set_timesteps: n must be at least 4 unless skip_prk_steps is set, got ", n);
  const int64_t half_stride = config().num_train_timesteps / n / 2;
  const double half = static_cast<double>(half_stride);
  std::vector<double> calls;
  for (size_t i = 0; i < 3; ++i) {
    const double middle = steps[i + 1] + half;
    calls.insert(calls.end(), {steps[i], middle, middle, steps[i + 1]});
  }
  calls.insert(calls.end(), steps.begin() + 3, steps.end());
  return {calls};
}

Scheduler::Timetable PNDMScheduler::custom_timetable(std::vector<double>) const {
  fail("set_custom_timesteps: a PNDMScheduler spreads its time steps itself");
}

double PNDMScheduler::stride() const {
  const int64_t calls = static_cast<int64_t>(timesteps().size());
  const int64_t n = config().skip_prk_steps ? std::max<int64_t>(1, calls - 1) : calls - 9;
  const int64_t whole = config().num_train_timesteps / n;
  return static_cast<double>(whole);
}

// Equation 11, with alpha_bar at both time steps:
//   x' = sqrt(a' / a) x - (a' - a) epsilon / (a sqrt(1 - a') + sqrt(a (1 - a) a'))
PNDMScheduler::Transfer PNDMScheduler::transfer(double from, double to) const {
  const double a = alpha_bar(from), end = config().set_alpha_to_one ? 1 : alpha_bar(0);
  const double next = to >= 0 ? static_cast<double>(alpha_bar(to)) : end;
  const double of_x = std::sqrt(next / a);
  const double of_epsilon = -(next - a) / (a * std::sqrt(1 - next) + std::sqrt(a * (1 - a) * next));
  const Epsilon epsilon = epsilon_of(config().prediction_type, std::sqrt(a), std::sqrt(1 - a));
  return {of_x + of_epsilon * epsilon.x, of_epsilon * epsilon.model};
}

void PNDMScheduler::plan_step(size_t k, const StepOptions& options, SamplingStep& step) const {
  IMAGO_CHECK(options.first_step == 0, "plan: a PNDMScheduler must start at its first step, got first_step ",
              options.first_step);
  const double bar = alpha_bar(step.t);
  predict_x0(config().prediction_type, std::sqrt(bar), std::sqrt(1 - bar), step.update);
  if (k < runge_kutta_calls())
    plan_runge_kutta(k, step.update);
  else
    plan_multistep(k, step.update);
}

// With e_1 .. e_4 the outputs of a step's calls (equation 13): from the x where the step starts, x moves to the middle
// along e_1, to the middle along e_2, to the end along e_3, and to the end along e_1 / 6 + e_2 / 3 + e_3 / 3 + e_4 / 6.
// That first x is not kept: what the call before made of it and of its output tells it, and the output is kept.
void PNDMScheduler::plan_runge_kutta(size_t k, DenoiseCoefficients& c) const {
  const size_t first = k / 4 * 4, call = k % 4, beginning = k / 4;
  const double half = std::floor(stride() / 2);
  const auto move = [&](size_t i) {
    return transfer(timesteps()[first], timesteps()[first + i] - (i % 2 == 0 ? half : 0));
  };
  const Transfer now = move(call);
  if (call == 0) {  // keeps e_1
    c.x_x = now.x, c.x_model = now.model;
    c.keep = static_cast<int>(beginning), c.keep_model = 1;
    return;
  }
  if (call == 3) {  // all but e_4 is in memory
    c.x_memory[kWithin] = 1, c.x_model = now.model / 6;
    return;
  }
  const Transfer before = move(call - 1);
  const size_t output = call == 1 ? beginning : kWithin;  // the call before's
  c.x_x = now.x / before.x, c.x_memory[output] = -now.x * before.model / before.x, c.x_model = now.model;
  c.keep = kWithin;
  if (call == 1) {  // keeps e_2
    c.keep_model = 1;
    return;
  }
  const Transfer last = move(3);  // keeps the result of the step but for e_4
  c.keep_x = last.x / before.x;
  c.keep_memory[kWithin] = -last.x * before.model / before.x + last.model / 3;
  c.keep_memory[beginning] = last.model / 6;
  c.keep_model = last.model / 3;
}

// Equation 12: the step goes along the extrapolation of its output and those of the steps before.
void PNDMScheduler::plan_multistep(size_t k, DenoiseCoefficients& c) const {
  const double t = timesteps()[k];
  if (runge_kutta_calls() == 0 && k == 1) {  // the first step once more, along the average of both its ends
    const Transfer now = transfer(t + stride(), t), before = transfer(timesteps()[0], timesteps()[0] - stride());
    c.x_x = now.x / before.x, c.x_model = now.model / 2;
    c.x_memory[0] = now.model / 2 - now.x * before.model / before.x;
    return;
  }
  const size_t output = runge_kutta_calls() ? k - 9 : k - (k > 0);  // of the steps', from 0
  const size_t older = std::min<size_t>(output, 3);
  const double* weights = kAdamsBashforth[older];
  const Transfer now = transfer(t, t - stride());
  c.x_x = now.x, c.x_model = now.model * weights[0];
  for (size_t j = 1; j <= older; ++j) c.x_memory[(output - j) % kOutputs] = now.model * weights[j];
  c.keep = static_cast<int>(output % kOutputs), c.keep_model = 1;
}

}  // namespace imago::diffusion
