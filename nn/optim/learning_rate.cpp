#include "nn/optim/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"

namespace imago::nn {

const char* name_of(LearningRateSchedule schedule) {
  switch (schedule) {
    case LearningRateSchedule::constant:
      return "constant";
    case LearningRateSchedule::linear:
      return "linear";
    case LearningRateSchedule::cosine:
      return "cosine";
  }
  return "?";
}

LearningRateSchedule learning_rate_schedule(std::string_view name) {
  for (const LearningRateSchedule s :
       {LearningRateSchedule::constant, LearningRateSchedule::linear, LearningRateSchedule::cosine})
    if (name == name_of(s)) return s;
  fail("learning_rate_schedule: name must be constant, linear or cosine, got ", name);
}

double learning_rate(const LearningRateOptions& o, int64_t k) {
  const double step = static_cast<double>(k), warmup = static_cast<double>(o.warmup_steps);
  if (k < o.warmup_steps) return o.peak * step / warmup;
  if (o.schedule == LearningRateSchedule::constant) return o.peak;
  const double progress =
      (step - warmup) / std::max(1.0, static_cast<double>(o.total_steps) - warmup);
  if (progress >= 1) return 0;
  return o.peak * (o.schedule == LearningRateSchedule::linear
                       ? 1 - progress
                       : 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace imago::nn
