// Schedulers against diffusers (golden/make_schedulers.py), and what holds for any of them.
#include "data/safetensors.h"
#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "diffusion/trajectory.h"
#include "kernels/scale.h"
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

std::vector<std::string> keys_ending(const std::string& end) {
  std::vector<std::string> out;
  for (const auto& [key, value] : golden().metadata())
    if (key.ends_with(end)) out.push_back(key.substr(0, key.size() - end.size()));
  return out;
}

// A recorded run: each step starts from the sample before, as the scheduler made it.
class Recording {
 public:
  explicit Recording(std::string variant) : variant_(std::move(variant)) {}

  Tensor load(const char* name) const { return golden().load(variant_ + "/" + name).to(default_device()); }
  bool has(const char* name) const { return golden().contains(variant_ + "/" + name); }
  std::vector<double> timesteps() const { return load("timesteps").to_vector<double>(); }

  std::unique_ptr<Scheduler> scheduler() const {
    auto scheduler = scheduler_from_json(text("config"));
    const double mu = number("mu", NAN);
    if (text("custom") == "true")
      scheduler->set_custom_timesteps(timesteps());
    else
      scheduler->set_timesteps(std::stol(text("n")), std::isnan(mu) ? std::optional<double>() : mu);
    return scheduler;
  }
  StepOptions options() const {
    return {.eta = number("eta", 0),
            .use_clipped_model_output = number("use_clipped_model_output", 0) != 0,
            .s_churn = number("s_churn", 0),
            .s_tmin = number("s_tmin", 0),
            .s_tmax = number("s_tmax", INFINITY),
            .s_noise = number("s_noise", 1)};
  }

 private:
  std::string text(const std::string& key) const {
    const auto found = golden().metadata().find(variant_ + "/" + key);
    return found == golden().metadata().end() ? "" : found->second;
  }
  double number(const std::string& key, double otherwise) const {
    return text(key).empty() ? otherwise : std::stod(text(key));
  }

  std::string variant_;
};

// The worst step. x is kept as the model sees it, which diffusers would make of its own x for each call.
double worst_step(const Recording& record) {
  const std::unique_ptr<Scheduler> scheduler = record.scheduler();
  const std::vector<double> timesteps = record.timesteps();
  REQUIRE(scheduler->timesteps().size() == timesteps.size());
  for (size_t k = 0; k < timesteps.size(); ++k)
    CHECK(scheduler->timesteps()[k] == Approx(timesteps[k]).epsilon(1e-6).margin(1e-4));
  const Tensor model = record.load("model"), xs = record.load("x");
  const std::vector<int64_t> drawn = record.load("drawn").to_vector<int64_t>();
  Trajectory way(*scheduler, kernels::scale(record.load("start"), scheduler->input_scale(0)), record.options());
  double worst = 0;
  for (size_t k = 0; k < timesteps.size(); ++k) {
    if (record.has("seen")) worst = std::max(worst, relative(way.x(), row(record.load("seen"), k)));
    CHECK(way.draws_noise() == (drawn[k] != 0));
    const Noise noise = way.draws_noise() ? Noise(row(record.load("noise"), k)) : Noise();
    const Tensor x0 = way.advance(row(model, k), noise, /*want_x0=*/true);
    const double scale = way.done() ? 1 : scheduler->input_scale(k + 1);
    worst = std::max(worst, relative(kernels::scale(way.x(), 1 / scale), row(xs, k)));
    if (record.has("x0")) worst = std::max(worst, relative(x0, row(record.load("x0"), k)));
  }
  CHECK(way.done());
  return worst;
}

const BetaSchedule kSchedules[] = {BetaSchedule::linear, BetaSchedule::scaled_linear,
                                   BetaSchedule::squaredcos_cap_v2, BetaSchedule::sigmoid,
                                   BetaSchedule::laplace};

}  // namespace

TEST_CASE("schedulers take diffusers' steps", "[scheduler][golden]") {
  const std::vector<std::string> variants = keys_ending("/config");
  CHECK(variants.size() >= 100);
  for (const std::string& variant : variants) {
    CAPTURE(variant);
    // Rescaled to end without any signal, a table has differences of nearly equal floats in it: the last bit shows.
    CHECK(worst_step(Recording(variant)) < (variant.ends_with("zero_snr") ? 2e-5 : kGate));
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
    for (const BetaSchedule schedule : kSchedules)
      for (const std::string& sampler : sampler_names()) {
        if (sampler == "pndm") continue;  // starts at its first step only, and not from the sample
        const std::string name(scheduler_class(sampler));
        SchedulerConfig config = default_config(name);
        config.beta_schedule = schedule, config.prediction_type = type;
        config.clip_sample = false, config.timestep_spacing = TimestepSpacing::trailing;
        const std::unique_ptr<Scheduler> scheduler = make_scheduler(name, config);
        scheduler->set_timesteps(100);
        const size_t calls = scheduler->timesteps().size();
        for (const size_t k : {size_t{40}, calls - 1}) {
          const double t = scheduler->timesteps()[k];
          CAPTURE(name_of(type), name_of(schedule), sampler, t);
          const auto [x_t, target] = scheduler->noisy_batch(x0, z, Tensor::full({3}, t, DType::i64));
          Trajectory way(*scheduler, x_t, {.first_step = k});
          CHECK(difference(way.advance(target, z, /*want_x0=*/true), x0) < 2e-4);  // the coefficients are float
        }
      }
}

TEST_CASE("without noise, a step that is right goes along the line between x0 and epsilon", "[scheduler]") {
  const Tensor x0 = randn({2, 4, 4, 3}, DType::f64, 1), z = randn({2, 4, 4, 3}, DType::f64, 2);
  const auto at = [](double t) { return Tensor::full({2}, t, DType::i64); };
  for (const char* name : {"DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler",
                           "HeunDiscreteScheduler"}) {
    CAPTURE(name);
    SchedulerConfig config = default_config(name);
    config.clip_sample = false;
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(name, config);
    scheduler->set_custom_timesteps({900, 500, 400});
    const size_t k = std::string(name).starts_with("Heun") ? 2 : 1;  // its call 1 is at 500 too
    Trajectory way(*scheduler, scheduler->add_noise(x0, z, at(500)), {.first_step = k});
    way.advance(z);
    CHECK(difference(way.x(), scheduler->add_noise(x0, z, at(400))) < 1e-5);
  }
}

TEST_CASE("a model that knows the noise is sampled to the image by every scheduler", "[scheduler]") {
  const Tensor x0 = randn({2, 4, 4, 3}, DType::f64, 1);
  for (const std::string& sampler : sampler_names()) {
    const std::string name(scheduler_class(sampler));
    CAPTURE(name);
    SchedulerConfig config = default_config(name);
    config.clip_sample = false;
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(name, config);
    scheduler->set_timesteps(20);
    Trajectory way(*scheduler, kernels::scale(randn(x0.shape(), DType::f64, 3), Trajectory::start_of(*scheduler)));
    const std::vector<float> bars(scheduler->alphas_cumprod().begin(), scheduler->alphas_cumprod().end());
    while (!way.done()) {  // epsilon = (x - sqrt(bar) x0) / sqrt(1 - bar), bar between two time steps where t is
      const size_t low = static_cast<size_t>(way.t());
      const double share = way.t() - static_cast<double>(low);
      const auto ratio = [&](size_t t) { return std::sqrt((1 - bars[t]) / bars[t]); };
      const double sigma = share > 0 ? (1 - share) * ratio(low) + share * ratio(low + 1) : ratio(low);
      const double alpha = 1 / std::sqrt(sigma * sigma + 1);
      const Tensor model = kernels::denoise_step(way.x(), x0, {.x0_x = 1 / (sigma * alpha), .x0_model = -1 / sigma}).x;
      way.advance(model, randn(x0.shape(), DType::f64, 100 + way.next()));
    }
    CHECK(difference(way.x(), x0) < (sampler == "pndm" ? 0.05 : 1e-3));  // PNDM ends one time step before the image
  }
}

TEST_CASE("time steps are spread as diffusers spreads them", "[scheduler]") {
  using Steps = std::vector<double>;
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

TEST_CASE("sigmas fall as the config says", "[scheduler]") {
  const auto sigmas = [](const char* name, const std::string& options, int64_t n) {
    const auto scheduler = scheduler_from_json("{" + options + "}", name);
    scheduler->set_timesteps(n);
    return std::vector<double>(scheduler->sigmas().begin(), scheduler->sigmas().end());
  };
  const auto check = [](const std::vector<double>& got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).epsilon(2e-6));
  };
  check(sigmas("EulerDiscreteScheduler", "", 5), {157.40726, 17.279884, 3.4335518, 0.9567591, 0.01000133, 0});
  check(sigmas("DPMSolverMultistepScheduler", "", 5), {157.40726, 25.528482, 6.1352096, 2.0410872, 0.72359121, 0});
  check(sigmas("DPMSolverMultistepScheduler", R"("use_karras_sigmas": true)", 5),
        {157.40726, 36.909184, 5.9113064, 0.49131864, 0.01000133, 0});
  check(sigmas("HeunDiscreteScheduler", "", 4),
        {25.146116, 4.495611, 4.495611, 1.2142558, 1.2142558, 0.02916753, 0.02916753, 0});
  check(sigmas("EDMEulerScheduler", "", 5), {80, 17.527832, 2.515219, 0.16975276, 0.002, 0});
  // scipy.stats.beta.ppf(1 - i / 6, 0.6, 0.6)
  check(sigmas("EulerDiscreteScheduler", R"("use_beta_sigmas": true)", 7),
        {157.40726, 143.00749, 114.05796, 78.708626, 43.359299, 14.409772, 0.01000133, 0});
}

TEST_CASE("schedulers name what is wrong with a run", "[scheduler][errors]") {
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
  scheduler.set_timesteps(1000);
  CHECK_THROWS_WITH(scheduler.plan(), Contains("nothing is left of the image at the first step"));
  scheduler.set_timesteps(10);
  CHECK_THROWS_WITH(scheduler.plan({.first_step = 10}), "plan: first_step must be below 10, got 10");
  Trajectory way(scheduler, x);
  CHECK_THROWS_WITH(way.advance(x), "Trajectory: the step at t = 900 needs noise");
  while (!way.done()) way.advance(x, x);
  CHECK_THROWS_WITH(way.advance(x, x), "Trajectory: all 10 steps are done");
}
