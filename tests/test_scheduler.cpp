// DDPM and DDIM against diffusers (golden/make_schedulers.py), and what holds for any noise
// schedule.
#include "data/safetensors.h"
#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using namespace imago::diffusion;

namespace {

const data::SafetensorsFile& golden() {
  static const auto file = data::SafetensorsFile::open(IMAGO_GOLDEN_DIR "/schedulers.safetensors");
  return file;
}

// Where tables are kept in double instead of float, the same trajectories are off by 2e-5.
constexpr double kGate = 5e-6;

// max |a - b| / max |b|
double relative(const Tensor& a, const Tensor& b) {
  double scale = 0;
  for (const double v : b.to_vector<double>()) scale = std::max(scale, std::abs(v));
  return difference(a, b) * std::max(1.0, scale) / scale;
}

// Row k of a tensor, without its leading axis.
Tensor row(const Tensor& t, size_t k) {
  const int64_t i = static_cast<int64_t>(k);
  return t.slice(i, i + 1).reshape(t.shape().without(0));
}

std::vector<std::string> variants() {
  std::vector<std::string> out;
  for (const auto& [key, value] : golden().metadata())
    if (key.ends_with("/config")) out.push_back(key.substr(0, key.size() - 7));
  return out;
}

// The worst step of a recorded trajectory: each step starts from the sample before, as the
// scheduler made it.
double worst_step(const std::string& variant) {
  const auto load = [&](const char* name) { return golden().load(variant + "/" + name).to(default_device()); };
  const std::unique_ptr<Scheduler> scheduler =
      scheduler_from_json(golden().metadata().at(variant + "/config"));
  const std::vector<int64_t> timesteps = load("timesteps").to_vector<int64_t>();
  if (golden().metadata().contains(variant + "/custom"))
    scheduler->set_custom_timesteps(timesteps);
  else
    scheduler->set_timesteps(static_cast<int64_t>(timesteps.size()));
  REQUIRE(std::vector<int64_t>(scheduler->timesteps().begin(), scheduler->timesteps().end()) ==
          timesteps);
  const Tensor model = load("model"), noise = load("noise"), xs = load("x"), x0s = load("x0");
  Tensor x = load("start");
  double worst = 0;
  for (size_t k = 0; k < timesteps.size(); ++k) {
    const StepOptions options{
        .noise = row(noise, k),
        .eta = std::stod(golden().metadata().at(variant + "/eta")),
        .use_clipped_model_output = golden().metadata().at(variant + "/reclip") == "true",
        .want_x0 = true};
    const StepResult result = scheduler->step(row(model, k), timesteps[k], x, options);
    worst = std::max({worst, relative(result.x, row(xs, k)), relative(result.x0, row(x0s, k))});
    x = result.x;
  }
  return worst;
}

const BetaSchedule kSchedules[] = {BetaSchedule::linear, BetaSchedule::scaled_linear,
                                   BetaSchedule::squaredcos_cap_v2, BetaSchedule::sigmoid,
                                   BetaSchedule::laplace};

}  // namespace

TEST_CASE("DDPM and DDIM take diffusers' steps", "[scheduler][golden]") {
  CHECK(variants().size() >= 29);
  for (const std::string& variant : variants()) {
    CAPTURE(variant);
    CHECK(worst_step(variant) < kGate);
  }
}

TEST_CASE("noise schedules are diffusers'", "[scheduler][golden]") {
  const std::vector<int64_t> probes = golden().load("tables/probes").to_vector<int64_t>();
  for (const BetaSchedule schedule : kSchedules)
    for (const bool zero_snr : {false, true}) {
      // Rescaling takes differences of nearly equal floats: the last bit of a table shows.
      const double rounding = zero_snr ? 2e-5 : 1e-6, margin = zero_snr ? 3e-7 : 0;
      const DDPMScheduler scheduler(
          {.beta_schedule = schedule, .rescale_betas_zero_snr = zero_snr});
      const std::string kind =
          concat("tables/", name_of(schedule), zero_snr ? "/zero_snr" : "/plain");
      const std::vector<double> betas = golden().load(kind + "/betas").to_vector<double>();
      const std::vector<double> alpha_bar =
          golden().load(kind + "/alphas_cumprod").to_vector<double>();
      for (size_t i = 0; i < probes.size(); ++i) {
        CAPTURE(kind, probes[i]);
        const size_t t = static_cast<size_t>(probes[i]);
        CHECK(scheduler.betas()[t] == Approx(betas[i]).epsilon(rounding).margin(margin));
        CHECK(scheduler.alphas_cumprod()[t] == Approx(alpha_bar[i]).epsilon(5 * rounding));
      }
      if (zero_snr) CHECK(scheduler.alphas_cumprod().back() == 0);
    }
}

TEST_CASE("scaled_linear goes by its older names too", "[scheduler][golden]") {
  const std::vector<int64_t> probes = golden().load("tables/probes").to_vector<int64_t>();
  const std::vector<double> betas =
      golden().load("tables/scaled_linear/plain/betas").to_vector<double>();
  for (const std::string name : {"scaled_linear", "quad", "quadratic"}) {
    CAPTURE(name);
    const auto scheduler = scheduler_from_json(R"({"beta_schedule": ")" + name + "\"}");
    for (size_t i = 0; i < probes.size(); ++i)
      CHECK(scheduler->betas()[static_cast<size_t>(probes[i])] == Approx(betas[i]).epsilon(1e-6));
    CHECK(beta_schedule(name) == BetaSchedule::scaled_linear);
  }
}

TEST_CASE("the forward process is diffusers'", "[scheduler][golden]") {
  const auto load = [](const char* name) { return golden().load(std::string("forward/") + name).to(default_device()); };
  const DDPMScheduler scheduler({.beta_schedule = BetaSchedule::squaredcos_cap_v2});
  const Tensor x_t = scheduler.add_noise(load("x0"), load("noise"), load("t"));
  CHECK(relative(x_t, load("x_t")) < kGate);
  CHECK(relative(scheduler.get_velocity(load("x0"), load("noise"), load("t")), load("velocity")) <
        kGate);
}

TEST_CASE("every prediction type leads back to x0", "[scheduler]") {
  const Tensor x0 = randn({3, 4, 4, 2}, DType::f64, 1), z = randn({3, 4, 4, 2}, DType::f64, 2);
  for (const PredictionType type :
       {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction})
    for (const BetaSchedule schedule : kSchedules) {
      const SchedulerConfig config{
          .beta_schedule = schedule, .prediction_type = type, .clip_sample = false};
      for (const char* name : {"DDPMScheduler", "DDIMScheduler"})
        for (const int64_t t : {0, 10, 600}) {
          CAPTURE(name_of(type), name_of(schedule), name, t);
          const std::unique_ptr<Scheduler> scheduler = make_scheduler(name, config);
          const auto [x_t, target] =
              scheduler->noisy_batch(x0, z, Tensor::full({3}, static_cast<double>(t), DType::i64));
          const StepResult result = scheduler->step(target, t, x_t, {.noise = z, .want_x0 = true});
          CHECK(difference(result.x0, x0) < 1e-4);  // the coefficients are float
          if (t == 0) CHECK(difference(result.x, x0) < 1e-4);
        }
    }
}

TEST_CASE("DDIM without noise walks the line between x0 and epsilon", "[scheduler]") {
  DDIMScheduler scheduler({.clip_sample = false});
  scheduler.set_timesteps(10);
  const Tensor x0 = randn({2, 4, 4, 3}, DType::f64, 1), z = randn({2, 4, 4, 3}, DType::f64, 2);
  const auto at = [](int64_t t) { return Tensor::full({2}, static_cast<double>(t), DType::i64); };
  const Tensor x = scheduler.step(z, 500, scheduler.add_noise(x0, z, at(500))).x;
  CHECK(difference(x, scheduler.add_noise(x0, z, at(400))) < 1e-5);
}

TEST_CASE("time steps are spread as diffusers spreads them", "[scheduler]") {
  using Steps = std::vector<int64_t>;
  const auto steps = [](TimestepSpacing spacing, int64_t n, int64_t offset = 0) {
    DDPMScheduler scheduler({.timestep_spacing = spacing, .steps_offset = offset});
    scheduler.set_timesteps(n);
    return Steps(scheduler.timesteps().begin(), scheduler.timesteps().end());
  };
  CHECK(steps(TimestepSpacing::leading, 7) == Steps{852, 710, 568, 426, 284, 142, 0});
  CHECK(steps(TimestepSpacing::leading, 7, 1) == Steps{853, 711, 569, 427, 285, 143, 1});
  CHECK(steps(TimestepSpacing::trailing, 7) == Steps{999, 856, 713, 570, 428, 285, 142});
  CHECK(steps(TimestepSpacing::linspace, 7) == Steps{999, 832, 666, 500, 333, 166, 0});
  CHECK(steps(TimestepSpacing::linspace, 1) == Steps{0});
  for (int64_t n = 1; n <= 1000; ++n) {  // NumPy's arange has one step too many, -1, for some n
    const Steps trailing = steps(TimestepSpacing::trailing, n);
    CHECK((static_cast<int64_t>(trailing.size()) == n && trailing.back() >= 0));
  }
  CHECK(DDPMScheduler().timesteps().size() == 1000);
  CHECK(DDPMScheduler().timesteps().front() == 999);
}

TEST_CASE("scheduler_config.json keeps every option", "[scheduler][json]") {
  const SchedulerConfig config{.num_train_timesteps = 3,
                               .beta_start = 0.1,
                               .beta_end = 0.2,
                               .beta_schedule = BetaSchedule::squaredcos_cap_v2,
                               .trained_betas = {0.1, 0.2, 0.3},
                               .prediction_type = PredictionType::v_prediction,
                               .clip_sample = false,
                               .clip_sample_range = 2,
                               .thresholding = true,
                               .dynamic_thresholding_ratio = 0.9,
                               .sample_max_value = 3,
                               .timestep_spacing = TimestepSpacing::trailing,
                               .steps_offset = 1,
                               .rescale_betas_zero_snr = true};
  SchedulerConfig ddpm = config, ddim = config;
  ddpm.variance_type = VarianceType::learned_range;
  ddim.set_alpha_to_one = false;
  CHECK(scheduler_from_json(to_json(DDPMScheduler(ddpm)))->config() == ddpm);
  CHECK(scheduler_from_json(to_json(DDIMScheduler(ddim)))->config() == ddim);
  CHECK(scheduler_from_json(to_json(DDIMScheduler(ddim)))->class_name() ==
        std::string("DDIMScheduler"));
  CHECK(scheduler_from_json("{}")->config() == SchedulerConfig());
  CHECK(to_json(DDIMScheduler()) == R"({
  "_class_name": "DDIMScheduler",
  "_diffusers_version": "0.30.0",
  "beta_end": 0.02,
  "beta_schedule": "linear",
  "beta_start": 0.0001,
  "clip_sample": true,
  "clip_sample_range": 1.0,
  "dynamic_thresholding_ratio": 0.995,
  "num_train_timesteps": 1000,
  "prediction_type": "epsilon",
  "rescale_betas_zero_snr": false,
  "sample_max_value": 1.0,
  "set_alpha_to_one": true,
  "steps_offset": 0,
  "thresholding": false,
  "timestep_spacing": "leading",
  "trained_betas": null
}
)");
}

TEST_CASE("schedulers name what is wrong", "[scheduler][errors]") {
  CHECK_THROWS_WITH(scheduler_from_json("{"),
                    "scheduler_config.json: the text is not a JSON object");
  CHECK_THROWS_WITH(scheduler_from_json(R"({"beta_start": "low"})"),
                    "scheduler_config.json: beta_start has the wrong type, got \"low\"");
  CHECK_THROWS_WITH(scheduler_from_json(R"({"beta_schedule": "cosine"})"),
                    "scheduler: beta_schedule must be one of linear, scaled_linear, "
                    "squaredcos_cap_v2, sigmoid, laplace, "
                    "got cosine");
  CHECK_THROWS_WITH(scheduler_from_json(R"({"variance_type": "fixed_large_log"})"),
                    Contains("got fixed_large_log"));
  CHECK_THROWS_WITH(scheduler_from_json(R"({"_class_name": "PNDMScheduler"})"),
                    "scheduler: class must be DDPMScheduler or DDIMScheduler, got PNDMScheduler");
  CHECK_THROWS_WITH(DDPMScheduler({.num_train_timesteps = 2, .trained_betas = {0.1, 1}}),
                    "scheduler: trained_betas must be in (0, 1), got 1");
  CHECK_THROWS_WITH(DDPMScheduler({.beta_start = 0}),
                    "make_betas: beta_start and beta_end must be in (0, 1), got 0 and 0.02");
  CHECK_THROWS_WITH(DDPMScheduler({.num_train_timesteps = 3, .trained_betas = {0.1}}),
                    "scheduler: trained_betas must have num_train_timesteps = 3 entries, got 1");

  DDPMScheduler scheduler({.rescale_betas_zero_snr = true});
  const Tensor x = randn({1, 2, 2, 3});
  CHECK_THROWS_WITH(scheduler.set_timesteps(1001),
                    "set_timesteps: n must be in [1, 1000], got 1001");
  CHECK_THROWS_WITH(scheduler.set_custom_timesteps({5, 5}),
                    "set_custom_timesteps: timesteps must descend within [0, 1000), got 5 after 5");
  CHECK_THROWS_WITH(
      scheduler.set_custom_timesteps({1000}),
      "set_custom_timesteps: timesteps must descend within [0, 1000), got 1000 first");
  CHECK_THROWS_WITH(DDPMScheduler({.steps_offset = 1}).set_timesteps(1000),
                    "set_timesteps: steps_offset 1 leads to time step 1000, the last one is 999");
  scheduler.set_timesteps(10);
  CHECK_THROWS_WITH(scheduler.step(x, 7, x, {.noise = x}),
                    "step: t must be one of the 10 steps that were set, got 7");
  CHECK_THROWS_WITH(scheduler.step(x, 100, x), "step: the step at t = 100 needs noise");
  CHECK_THROWS_WITH(scheduler.step(x, 1000, x), "step: t must be in [0, 1000), got 1000");
  CHECK_THROWS_WITH(scheduler.step(x, 999, x, {.noise = x}),
                    Contains("nothing is left of the image at t = 999"));
}
