// scheduler_config.json: one table says which class has which options.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <variant>

#include "core/check.h"
#include "diffusion/scheduler_config.h"
#include "nn/diffusers_version.h"

namespace imago::diffusion {
namespace {

using Json = nlohmann::json;
using C = SchedulerConfig;

// ---- the names of values ----

template <typename E>
struct Name {
  E value;
  const char* name;  // null is JSON's null
};

constexpr Name<BetaSchedule> kBetaSchedules[] = {
    {BetaSchedule::linear, "linear"},   {BetaSchedule::scaled_linear, "scaled_linear"},
    {BetaSchedule::squaredcos_cap_v2, "squaredcos_cap_v2"},
    {BetaSchedule::sigmoid, "sigmoid"}, {BetaSchedule::laplace, "laplace"},
    {BetaSchedule::exp, "exp"}};
constexpr Name<PredictionType> kPredictionTypes[] = {{PredictionType::epsilon, "epsilon"},
                                                     {PredictionType::sample, "sample"},
                                                     {PredictionType::v_prediction, "v_prediction"},
                                                     {PredictionType::flow_prediction, "flow_prediction"}};
constexpr Name<TimestepSpacing> kTimestepSpacings[] = {{TimestepSpacing::leading, "leading"},
                                                       {TimestepSpacing::trailing, "trailing"},
                                                       {TimestepSpacing::linspace, "linspace"}};
constexpr Name<VarianceType> kVarianceTypes[] = {{VarianceType::fixed_small, "fixed_small"},
                                                 {VarianceType::fixed_small_log, "fixed_small_log"},
                                                 {VarianceType::fixed_large, "fixed_large"},
                                                 {VarianceType::learned, "learned"},
                                                 {VarianceType::learned_range, "learned_range"},
                                                 {VarianceType::none, nullptr}};
constexpr Name<AlgorithmType> kAlgorithmTypes[] = {{AlgorithmType::dpmsolver, "dpmsolver"},
                                                   {AlgorithmType::dpmsolver_pp, "dpmsolver++"},
                                                   {AlgorithmType::sde_dpmsolver, "sde-dpmsolver"},
                                                   {AlgorithmType::sde_dpmsolver_pp, "sde-dpmsolver++"}};
constexpr Name<SolverType> kSolverTypes[] = {{SolverType::midpoint, "midpoint"}, {SolverType::heun, "heun"}};
constexpr Name<FinalSigma> kFinalSigmas[] = {{FinalSigma::zero, "zero"}, {FinalSigma::sigma_min, "sigma_min"}};
constexpr Name<Interpolation> kInterpolations[] = {{Interpolation::linear, "linear"},
                                                   {Interpolation::log_linear, "log_linear"}};
constexpr Name<TimestepType> kTimestepTypes[] = {{TimestepType::discrete, "discrete"},
                                                 {TimestepType::continuous, "continuous"}};
constexpr Name<SigmaSchedule> kSigmaSchedules[] = {{SigmaSchedule::karras, "karras"},
                                                   {SigmaSchedule::exponential, "exponential"}};
constexpr Name<TimeShift> kTimeShifts[] = {{TimeShift::exponential, "exponential"}, {TimeShift::linear, "linear"}};

constexpr const auto& names(BetaSchedule) { return kBetaSchedules; }
constexpr const auto& names(PredictionType) { return kPredictionTypes; }
constexpr const auto& names(TimestepSpacing) { return kTimestepSpacings; }
constexpr const auto& names(VarianceType) { return kVarianceTypes; }
constexpr const auto& names(AlgorithmType) { return kAlgorithmTypes; }
constexpr const auto& names(SolverType) { return kSolverTypes; }
constexpr const auto& names(FinalSigma) { return kFinalSigmas; }
constexpr const auto& names(Interpolation) { return kInterpolations; }
constexpr const auto& names(TimestepType) { return kTimestepTypes; }
constexpr const auto& names(SigmaSchedule) { return kSigmaSchedules; }
constexpr const auto& names(TimeShift) { return kTimeShifts; }

// Other words for the same, all of them diffusers'.
std::string_view without_alias(std::string_view name) {
  if (name == "quad" || name == "quadratic") return "scaled_linear";
  if (name == "original_sample") return "sample";
  if (name == "deis") return "dpmsolver++";
  if (name == "logrho" || name == "bh1" || name == "bh2") return "midpoint";
  return name;
}

template <typename E>
const char* find_name(E value) {
  for (const Name<E>& each : names(E()))
    if (each.value == value) return each.name;
  return "?";
}

template <typename E>
E find_value(const char* option, std::string_view name) {
  std::string known;
  for (const Name<E>& each : names(E())) {
    if (!each.name) continue;
    if (without_alias(name) == each.name) return each.value;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail("scheduler: ", option, " must be one of ", known, ", got ", name);
}

// ---- the options and who has them ----

enum Class : unsigned {
  kDDPM = 1 << 0, kDDIM = 1 << 1, kPNDM = 1 << 2, kDPM = 1 << 3, kEuler = 1 << 4, kEulerA = 1 << 5, kHeun = 1 << 6,
  kEDM = 1 << 7, kEDMDPM = 1 << 8, kFlow = 1 << 9,
  kBetas = kDDPM | kDDIM | kPNDM | kDPM | kEuler | kEulerA | kHeun, kAll = kBetas | kEDM | kEDMDPM | kFlow,
  kAnyDPM = kDPM | kEDMDPM, kAnyEDM = kEDM | kEDMDPM,
};
constexpr std::pair<const char*, Class> kClasses[] = {
    {"DDPMScheduler", kDDPM},
    {"DDIMScheduler", kDDIM},
    {"PNDMScheduler", kPNDM},
    {"DPMSolverMultistepScheduler", kDPM},
    {"EulerDiscreteScheduler", kEuler},
    {"EulerAncestralDiscreteScheduler", kEulerA},
    {"HeunDiscreteScheduler", kHeun},
    {"EDMEulerScheduler", kEDM},
    {"EDMDPMSolverMultistepScheduler", kEDMDPM},
    {"FlowMatchEulerDiscreteScheduler", kFlow}};

using Field =
    std::variant<bool C::*, int64_t C::*, double C::*, std::optional<double> C::*, std::vector<double> C::*,
                 BetaSchedule C::*, PredictionType C::*, TimestepSpacing C::*, VarianceType C::*, AlgorithmType C::*,
                 SolverType C::*, FinalSigma C::*, Interpolation C::*, TimestepType C::*, SigmaSchedule C::*,
                 TimeShift C::*>;
struct Option {
  const char* key;
  Field field;
  unsigned classes;
};
const Option kOptions[] = {
    {"num_train_timesteps", &C::num_train_timesteps, kAll},
    {"beta_start", &C::beta_start, kBetas},
    {"beta_end", &C::beta_end, kBetas},
    {"beta_schedule", &C::beta_schedule, kBetas},
    {"trained_betas", &C::trained_betas, kBetas},
    {"prediction_type", &C::prediction_type, kBetas | kAnyEDM},
    {"clip_sample", &C::clip_sample, kDDPM | kDDIM | kHeun},
    {"clip_sample_range", &C::clip_sample_range, kDDPM | kDDIM | kHeun},
    {"thresholding", &C::thresholding, kDDPM | kDDIM | kAnyDPM},
    {"dynamic_thresholding_ratio", &C::dynamic_thresholding_ratio, kDDPM | kDDIM | kAnyDPM},
    {"sample_max_value", &C::sample_max_value, kDDPM | kDDIM | kAnyDPM},
    {"timestep_spacing", &C::timestep_spacing, kBetas},
    {"steps_offset", &C::steps_offset, kBetas},
    {"rescale_betas_zero_snr", &C::rescale_betas_zero_snr, kDDPM | kDDIM | kDPM | kEuler | kEulerA},
    {"variance_type", &C::variance_type, kDDPM | kDPM},
    {"set_alpha_to_one", &C::set_alpha_to_one, kDDIM | kPNDM},
    {"skip_prk_steps", &C::skip_prk_steps, kPNDM},
    {"solver_order", &C::solver_order, kAnyDPM},
    {"algorithm_type", &C::algorithm_type, kAnyDPM},
    {"solver_type", &C::solver_type, kAnyDPM},
    {"lower_order_final", &C::lower_order_final, kAnyDPM},
    {"euler_at_final", &C::euler_at_final, kAnyDPM},
    {"lambda_min_clipped", &C::lambda_min_clipped, kDPM},
    {"use_karras_sigmas", &C::use_karras_sigmas, kDPM | kEuler | kHeun | kFlow},
    {"use_exponential_sigmas", &C::use_exponential_sigmas, kDPM | kEuler | kHeun | kFlow},
    {"use_beta_sigmas", &C::use_beta_sigmas, kDPM | kEuler | kHeun | kFlow},
    {"use_lu_lambdas", &C::use_lu_lambdas, kDPM},
    {"use_flow_sigmas", &C::use_flow_sigmas, kDPM},
    {"flow_shift", &C::flow_shift, kDPM},
    {"final_sigmas_type", &C::final_sigmas_type, kAnyDPM | kEuler | kEDM},
    {"sigma_min", &C::sigma_min, kEuler | kAnyEDM},
    {"sigma_max", &C::sigma_max, kEuler | kAnyEDM},
    {"interpolation_type", &C::interpolation_type, kEuler},
    {"timestep_type", &C::timestep_type, kEuler},
    {"sigma_data", &C::sigma_data, kAnyEDM},
    {"rho", &C::rho, kAnyEDM},
    {"sigma_schedule", &C::sigma_schedule, kAnyEDM},
    {"shift", &C::shift, kFlow},
    {"use_dynamic_shifting", &C::use_dynamic_shifting, kDPM | kFlow},
    {"time_shift_type", &C::time_shift_type, kDPM | kFlow},
    {"base_shift", &C::base_shift, kFlow},
    {"max_shift", &C::max_shift, kFlow},
    {"base_image_seq_len", &C::base_image_seq_len, kFlow},
    {"max_image_seq_len", &C::max_image_seq_len, kFlow},
    {"invert_sigmas", &C::invert_sigmas, kFlow},
    {"stochastic_sampling", &C::stochastic_sampling, kFlow},
    {"shift_terminal", &C::shift_terminal, kFlow},
};

unsigned class_bit(std::string_view name) {
  for (const auto& [known, bit] : kClasses)
    if (name == known) return bit;
  std::string all;
  for (const auto& [known, bit] : kClasses) all += (all.empty() ? "" : ", ") + std::string(known);
  fail("scheduler: class must be one of ", all, ", got ", name);
}

// ---- values ----

// Python writes infinity as no other JSON does. Here it is a string while it is JSON.
constexpr const char* kInfinities[] = {"-Infinity", "Infinity", "NaN"};

std::string quote_infinities(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {  // with what it escapes
      out += text.substr(i++, 2);
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    const char* found = nullptr;
    for (const char* word : kInfinities)
      if (!in_string && !found && text.substr(i).starts_with(word)) found = word;
    if (found) {
      out += '"' + std::string(found) + '"';
      i += std::string_view(found).size() - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string unquote_infinities(std::string text) {
  for (const char* word : kInfinities) {
    const std::string quoted = '"' + std::string(word) + '"';
    for (size_t at = 0; (at = text.find(quoted, at)) != text.npos;) text.replace(at, quoted.size(), word);
  }
  return text;
}

// What is parsed in a loop is written by recursion: without a limit, a small file could exhaust the stack.
Json parse_object(std::string_view text) {
  constexpr int kMaxDepth = 32;
  const auto look = [&](int depth, Json::parse_event_t, const Json&) {
    IMAGO_CHECK(depth <= kMaxDepth, "scheduler_config.json: lists and objects must be nested at most ", kMaxDepth,
                " deep, got more");
    return true;
  };
  Json json = Json::parse(quote_infinities(text), look, /*allow_exceptions=*/false);
  IMAGO_CHECK(json.is_object(), "scheduler_config.json: the text is not a JSON object");
  return json;
}

[[noreturn]] void wrong_type(const char* key, const Json& json) {
  fail("scheduler_config.json: ", key, " has the wrong type, got ", json.dump());
}

void read(const char* key, const Json& json, double& value) {
  if (json.is_number())
    value = json.get<double>();
  else if (json == "-Infinity" || json == "Infinity")
    value = json == "Infinity" ? INFINITY : -INFINITY;
  else
    wrong_type(key, json);
}
void read(const char* key, const Json& json, std::optional<double>& value) {
  value.reset();
  if (!json.is_null()) read(key, json, value.emplace());
}
void read(const char* key, const Json& json, std::vector<double>& value) {
  value.clear();
  if (json.is_null()) return;
  if (!json.is_array()) wrong_type(key, json);
  for (const Json& each : json) read(key, each, value.emplace_back());
}
void read(const char* key, const Json& json, bool& value) {
  if (json.is_null()) return void(value = false);  // an optional switch of diffusers'
  if (!json.is_boolean()) wrong_type(key, json);
  value = json.get<bool>();
}
void read(const char* key, const Json& json, int64_t& value) {
  if (!json.is_number_integer()) wrong_type(key, json);
  value = json.get<int64_t>();
}
template <typename E>
void read(const char* key, const Json& json, E& value) {
  if (json.is_null())
    for (const Name<E>& each : names(E()))
      if (!each.name) return void(value = each.value);
  if (!json.is_string()) wrong_type(key, json);
  value = find_value<E>(key, json.get<std::string>());
}

std::optional<std::string> name_in(const Json& json) {
  const auto name = json.find("_class_name");
  if (name == json.end()) return {};
  if (!name->is_string()) wrong_type("_class_name", *name);
  return name->get<std::string>();
}

Json written(double value) {
  return std::isinf(value) ? Json(value > 0 ? "Infinity" : "-Infinity") : Json(value);
}
Json written(std::optional<double> value) { return value ? written(*value) : Json(); }
Json written(const std::vector<double>& value) { return value.empty() ? Json() : Json(value); }
Json written(bool value) { return value; }
Json written(int64_t value) { return value; }
template <typename E>
Json written(E value) {
  const char* name = find_name(value);
  return name ? Json(name) : Json();
}

}  // namespace

const char* name_of(BetaSchedule value) { return find_name(value); }
const char* name_of(PredictionType value) { return find_name(value); }
const char* name_of(TimestepSpacing value) { return find_name(value); }
BetaSchedule beta_schedule(std::string_view name) { return find_value<BetaSchedule>("beta_schedule", name); }
PredictionType prediction_type(std::string_view name) { return find_value<PredictionType>("prediction_type", name); }
TimestepSpacing timestep_spacing(std::string_view name) {
  return find_value<TimestepSpacing>("timestep_spacing", name);
}

SchedulerConfig own_options(std::string_view class_name, SchedulerConfig config) {
  const unsigned bit = class_bit(class_name);
  const SchedulerConfig defaults = default_config(class_name);
  for (const Option& option : kOptions)
    if (!(option.classes & bit))
      std::visit([&](auto field) { config.*field = defaults.*field; }, option.field);
  return config;
}

bool is_for_ddpm(std::string_view text) {
  const Json json = parse_object(text);
  const std::string name = name_in(json).value_or("DDPMScheduler");
  return !name.starts_with("EDM") && !name.starts_with("FlowMatch") && json.value("use_flow_sigmas", Json()) != true;
}

std::optional<std::string> class_name_in(std::string_view text) { return name_in(parse_object(text)); }

std::string with_class_name(std::string_view text, std::string_view class_name) {
  Json json = parse_object(text);
  json["_class_name"] = std::string(class_name);
  return unquote_infinities(json.dump(2)) + "\n";
}

NamedSchedulerConfig parse_scheduler_config(std::string_view text, std::string_view class_name) {
  const Json json = parse_object(text);
  NamedSchedulerConfig out{.class_name = std::string(class_name), .config = {}};
  if (class_name.empty()) out.class_name = name_in(json).value_or("DDPMScheduler");
  const unsigned bit = class_bit(out.class_name);
  out.config = default_config(out.class_name);
  for (const auto& [key, value] : json.items()) {
    if (key.starts_with('_')) continue;
    const auto option = std::find_if(std::begin(kOptions), std::end(kOptions),
                                     [&, &key = key](const Option& o) { return key == o.key && (o.classes & bit); });
    if (option == std::end(kOptions))
      out.config.unknown[key] = value.dump();
    else
      std::visit([&, &value = value](auto field) { read(option->key, value, out.config.*field); }, option->field);
  }
  // DPM-Solver does not say; DDPM has to know.
  const bool own = name_in(json).value_or("DDPMScheduler") == out.class_name;
  if (out.class_name == "DDPMScheduler" && !own && out.config.variance_type == VarianceType::none)
    out.config.variance_type = VarianceType::fixed_small;
  return out;
}

std::string to_json(const NamedSchedulerConfig& named) {
  const unsigned bit = class_bit(named.class_name);
  Json json = {{"_class_name", named.class_name}, {"_diffusers_version", kDiffusersVersion}};
  for (const Option& option : kOptions)
    if (option.classes & bit)
      std::visit([&](auto field) { json[option.key] = written(named.config.*field); }, option.field);
  for (const auto& [key, value] : named.config.unknown) json[key] = Json::parse(value);
  return unquote_infinities(json.dump(2)) + "\n";
}

}  // namespace imago::diffusion
