#include "diffusion/scheduler_config.h"

#include <nlohmann/json.hpp>

#include "core/check.h"
#include "nn/diffusers_version.h"

namespace imago::diffusion {
namespace {

using Json = nlohmann::json;

template <typename E>
struct Name {
  E value;
  const char* name;
};

constexpr Name<BetaSchedule> kBetaSchedules[] = {
    {BetaSchedule::linear, "linear"},
    {BetaSchedule::scaled_linear, "scaled_linear"},
    {BetaSchedule::squaredcos_cap_v2, "squaredcos_cap_v2"},
    {BetaSchedule::sigmoid, "sigmoid"},
    {BetaSchedule::laplace, "laplace"}};
constexpr Name<PredictionType> kPredictionTypes[] = {
    {PredictionType::epsilon, "epsilon"},
    {PredictionType::sample, "sample"},
    {PredictionType::v_prediction, "v_prediction"}};
constexpr Name<TimestepSpacing> kTimestepSpacings[] = {{TimestepSpacing::leading, "leading"},
                                                       {TimestepSpacing::trailing, "trailing"},
                                                       {TimestepSpacing::linspace, "linspace"}};
constexpr Name<VarianceType> kVarianceTypes[] = {{VarianceType::fixed_small, "fixed_small"},
                                                 {VarianceType::fixed_small_log, "fixed_small_log"},
                                                 {VarianceType::fixed_large, "fixed_large"},
                                                 {VarianceType::learned, "learned"},
                                                 {VarianceType::learned_range, "learned_range"}};

template <typename E, size_t n>
const char* find_name(const Name<E> (&names)[n], E value) {
  for (const Name<E>& each : names)
    if (each.value == value) return each.name;
  return "?";
}

template <typename E, size_t n>
E find_value(const Name<E> (&names)[n], const char* option, std::string_view name) {
  std::string known;
  for (const Name<E>& each : names) {
    if (name == each.name) return each.value;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail("scheduler: ", option, " must be one of ", known, ", got ", name);
}

// Overwrites `value` with the JSON's, if it has any.
template <typename T>
void read(const Json& json, const char* key, T& value) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  try {
    value = found->get<T>();
  } catch (const Json::exception&) {
    fail("scheduler_config.json: ", key, " has the wrong type, got ", found->dump());
  }
}

template <typename E>
void read(const Json& json, const char* key, E& value, E (*parse)(std::string_view)) {
  std::string name;
  read(json, key, name);
  if (!name.empty()) value = parse(name);
}

bool is_ddim(const std::string& class_name) { return class_name == "DDIMScheduler"; }

}  // namespace

const char* name_of(BetaSchedule value) { return find_name(kBetaSchedules, value); }
const char* name_of(PredictionType value) { return find_name(kPredictionTypes, value); }
const char* name_of(TimestepSpacing value) { return find_name(kTimestepSpacings, value); }
const char* name_of(VarianceType value) { return find_name(kVarianceTypes, value); }

BetaSchedule beta_schedule(std::string_view name) {
  return find_value(kBetaSchedules, "beta_schedule",
                    name == "quad" || name == "quadratic" ? "scaled_linear" : name);
}
PredictionType prediction_type(std::string_view name) {
  return find_value(kPredictionTypes, "prediction_type", name);
}
TimestepSpacing timestep_spacing(std::string_view name) {
  return find_value(kTimestepSpacings, "timestep_spacing", name);
}
VarianceType variance_type(std::string_view name) {
  return find_value(kVarianceTypes, "variance_type", name);
}

NamedSchedulerConfig parse_scheduler_config(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  IMAGO_CHECK(json.is_object(), "scheduler_config.json: the text is not a JSON object");
  NamedSchedulerConfig out{.class_name = "DDPMScheduler", .config = {}};
  SchedulerConfig& c = out.config;
  read(json, "_class_name", out.class_name);
  read(json, "num_train_timesteps", c.num_train_timesteps);
  read(json, "beta_start", c.beta_start);
  read(json, "beta_end", c.beta_end);
  read(json, "beta_schedule", c.beta_schedule, beta_schedule);
  if (json.contains("trained_betas") && !json["trained_betas"].is_null())
    read(json, "trained_betas", c.trained_betas);
  read(json, "prediction_type", c.prediction_type, prediction_type);
  read(json, "clip_sample", c.clip_sample);
  read(json, "clip_sample_range", c.clip_sample_range);
  read(json, "thresholding", c.thresholding);
  read(json, "dynamic_thresholding_ratio", c.dynamic_thresholding_ratio);
  read(json, "sample_max_value", c.sample_max_value);
  read(json, "timestep_spacing", c.timestep_spacing, timestep_spacing);
  read(json, "steps_offset", c.steps_offset);
  read(json, "rescale_betas_zero_snr", c.rescale_betas_zero_snr);
  if (is_ddim(out.class_name))
    read(json, "set_alpha_to_one", c.set_alpha_to_one);
  else
    read(json, "variance_type", c.variance_type, variance_type);
  return out;
}

std::string to_json(const NamedSchedulerConfig& named) {
  const SchedulerConfig& c = named.config;
  Json json = {
      {"_class_name", named.class_name},
      {"_diffusers_version", kDiffusersVersion},
      {"num_train_timesteps", c.num_train_timesteps},
      {"beta_start", c.beta_start},
      {"beta_end", c.beta_end},
      {"beta_schedule", name_of(c.beta_schedule)},
      {"trained_betas", c.trained_betas.empty() ? Json() : Json(c.trained_betas)},
      {"prediction_type", name_of(c.prediction_type)},
      {"clip_sample", c.clip_sample},
      {"clip_sample_range", c.clip_sample_range},
      {"thresholding", c.thresholding},
      {"dynamic_thresholding_ratio", c.dynamic_thresholding_ratio},
      {"sample_max_value", c.sample_max_value},
      {"timestep_spacing", name_of(c.timestep_spacing)},
      {"steps_offset", c.steps_offset},
      {"rescale_betas_zero_snr", c.rescale_betas_zero_snr},
  };
  if (is_ddim(named.class_name))
    json["set_alpha_to_one"] = c.set_alpha_to_one;
  else
    json["variance_type"] = name_of(c.variance_type);
  return json.dump(2) + "\n";
}

}  // namespace imago::diffusion
