// Learning rates that change over training.
#pragma once

#include <cstdint>
#include <string_view>

namespace imago::nn {

enum class LearningRateSchedule : uint8_t { constant, linear, cosine };

const char* name_of(LearningRateSchedule schedule);
// By that name. Throws when there is no such schedule, and says which there are.
LearningRateSchedule learning_rate_schedule(std::string_view name);

struct LearningRateOptions {
  double peak = 1e-4;
  LearningRateSchedule schedule = LearningRateSchedule::constant;
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;  // linear and cosine end at 0 here
};

// The learning rate of the update that follows k completed ones: k / warmup_steps of the peak while
// k < warmup_steps, so that the very first update of a warm-up moves nothing (as in diffusers),
// then constant, falling linearly, or along half a cosine. All counts are updates of the optimiser.
double learning_rate(const LearningRateOptions& options, int64_t k);

}  // namespace imago::nn
