// scheduler_config.json, and options that make no sense.
#include "data/safetensors.h"
#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using namespace imago::diffusion;

TEST_CASE("every scheduler has diffusers' options and defaults", "[scheduler][json][golden]") {
  const auto golden = data::SafetensorsFile::open(IMAGO_GOLDEN_DIR "/schedulers.safetensors");
  size_t classes = 0;
  for (const auto& [key, defaults] : golden.metadata()) {
    if (!key.ends_with("/defaults")) continue;
    ++classes;
    const std::string name = key.substr(0, key.find('/'));
    CAPTURE(name);
    const auto lines = [](std::string text) {  // but for the version
      const size_t at = text.find("  \"_diffusers_version\"");
      return text.erase(at, text.find('\n', at) + 1 - at);
    };
    CHECK(lines(to_json(*make_scheduler(name))) == lines(defaults));
    const auto scheduler = scheduler_from_json(defaults);
    CHECK(scheduler->class_name() == name);
    CHECK(scheduler->config() == default_config(name));
  }
  CHECK(classes == 10);
}

TEST_CASE("a config carries over to another scheduler as from_config has it", "[scheduler][json]") {
  const std::string text = R"({
    "_class_name": "DDPMScheduler", "_imago_run": 7, "beta_schedule": "squaredcos_cap_v2", "clip_sample": true,
    "use_karras_sigmas": true, "colour": [1, "\\", "NaN\""], "lambda_min_clipped": -Infinity})";
  const auto ddpm = scheduler_from_json(text);
  CHECK(ddpm->config().timestep_spacing == TimestepSpacing::leading);
  CHECK_FALSE(ddpm->config().use_karras_sigmas);  // not an option of DDPM's
  CHECK(class_name_in(text) == "DDPMScheduler");
  CHECK(class_name_in("{}") == std::nullopt);
  CHECK(with_class_name(R"({"sigma_max": Infinity})", "EDMEulerScheduler") ==
        "{\n  \"_class_name\": \"EDMEulerScheduler\",\n  \"sigma_max\": Infinity\n}\n");
  CHECK(ddpm->config().unknown.size() == 3);
  const auto dpm = scheduler_from_json(to_json(*ddpm), "DPMSolverMultistepScheduler");
  CHECK(dpm->config().beta_schedule == BetaSchedule::squaredcos_cap_v2);
  CHECK(dpm->config().use_karras_sigmas);
  CHECK(dpm->config().timestep_spacing == TimestepSpacing::leading);  // imago writes all options
  CHECK(to_json(*dpm).find("\"lambda_min_clipped\": -Infinity") != std::string::npos);
  CHECK(dpm->config().unknown.at("colour") == R"([1,"\\","NaN\""])");
  CHECK(dpm->config().unknown.at("clip_sample") == "true");
  // Absent options are the new class's defaults.
  CHECK(scheduler_from_json(text, "DPMSolverMultistepScheduler")->config().timestep_spacing ==
        TimestepSpacing::linspace);
  CHECK(scheduler_from_json(text, "HeunDiscreteScheduler")->config().beta_start == 0.00085);
  CHECK(scheduler_from_json(text, "HeunDiscreteScheduler")->config().clip_sample);
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
  // What is nested deeper could be read, and not be written again.
  CHECK_THROWS_WITH(scheduler_from_json(R"({"colour": )" + std::string(1000000, '[') + std::string(1000000, ']') + "}"),
                    "scheduler_config.json: lists and objects must be nested at most 32 deep, got more");
  CHECK(scheduler_from_json(R"({"colour": )" + std::string(32, '[') + std::string(32, ']') + "}")
            ->config().unknown.at("colour").size() == 64);
  CHECK_THROWS_WITH(scheduler_from_json(R"({"beta_start": "low"})"),
                    "scheduler_config.json: beta_start has the wrong type, got \"low\"");
  CHECK_THROWS_WITH(scheduler_from_json(R"({"beta_schedule": "cosine"})"),
                    "scheduler: beta_schedule must be one of linear, scaled_linear, "
                    "squaredcos_cap_v2, sigmoid, laplace, exp, "
                    "got cosine");
  CHECK_THROWS_WITH(scheduler_from_json(R"({"variance_type": "fixed_large_log"})"),
                    Contains("got fixed_large_log"));
  CHECK_THROWS_WITH(scheduler_from_json(R"({"_class_name": "LMSDiscreteScheduler"})"),
                    Contains("scheduler: class must be one of DDPMScheduler, DDIMScheduler, ") &&
                        Contains("got LMSDiscreteScheduler"));
  CHECK_THROWS_WITH(scheduler_class("ddqm"),
                    "sampler: name must be one of ddpm, ddim, dpmsolver++, euler, euler_a, heun, pndm, got ddqm");
  CHECK_THROWS_WITH(DDPMScheduler({.num_train_timesteps = 2, .trained_betas = {0.1, 1}}),
                    "scheduler: trained_betas must be in (0, 1), got 1");
  CHECK_THROWS_WITH(DDPMScheduler({.num_train_timesteps = 1000001}),
                    "scheduler: num_train_timesteps must be in [1, 1000000], got 1000001");
  CHECK_THROWS_WITH(DDPMScheduler({.beta_start = 0}),
                    "make_betas: beta_start and beta_end must be in (0, 1), got 0 and 0.02");
  CHECK_THROWS_WITH(DDPMScheduler({.num_train_timesteps = 3, .trained_betas = {0.1}}),
                    "scheduler: trained_betas must have num_train_timesteps = 3 entries, got 1");
}

TEST_CASE("options that contradict each other are named", "[scheduler][errors]") {
  const auto message = [](const char* name, const std::string& options) {
    try {
      scheduler_from_json("{" + options + "}", name)->set_timesteps(3);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const char *dpm = "DPMSolverMultistepScheduler", *euler = "EulerDiscreteScheduler", *edm = "EDMEulerScheduler",
             *flow = "FlowMatchEulerDiscreteScheduler";
  CHECK(message(euler, R"("use_karras_sigmas": true, "use_beta_sigmas": true)") ==
        "scheduler: use_karras_sigmas and use_beta_sigmas exclude each other");
  CHECK(message(dpm, R"("use_lu_lambdas": true, "use_flow_sigmas": true)") ==
        "scheduler: use_lu_lambdas and use_flow_sigmas exclude each other");
  CHECK(message(dpm, R"("algorithm_type": "dpmsolver")") ==
        "scheduler: final_sigmas_type must be sigma_min unless algorithm_type is dpmsolver++ or sde-dpmsolver++, got "
        "zero");
  CHECK(message(dpm, R"("algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min", "solver_order": 3)") ==
        "scheduler: solver_order must be 1 or 2 where algorithm_type is sde-dpmsolver, got 3");
  CHECK(message(dpm, R"("solver_order": 4)") == "scheduler: solver_order must be 1, 2 or 3, got 4");
  CHECK(message(dpm, R"("algorithm_type": "deis", "solver_type": "bh2")").empty());
  CHECK(message(dpm, R"("prediction_type": "flow_prediction")") ==
        "scheduler: prediction_type flow_prediction needs use_flow_sigmas of a DPMSolverMultistepScheduler");
  CHECK(message("PNDMScheduler", R"("prediction_type": "sample")") ==
        "scheduler: prediction_type of a PNDMScheduler must be epsilon or v_prediction, got sample");
  CHECK(message("PNDMScheduler", "") ==
        "set_timesteps: n must be at least 4 unless skip_prk_steps is set, got 3");
  CHECK(message(edm, R"("prediction_type": "sample")") ==
        "scheduler: prediction_type of a EDMEulerScheduler must be epsilon or v_prediction, got sample");
  CHECK(message("EDMDPMSolverMultistepScheduler", R"("algorithm_type": "dpmsolver")") ==
        "scheduler: algorithm_type of a EDMDPMSolverMultistepScheduler must be dpmsolver++ or sde-dpmsolver++");
  CHECK(message(edm, R"("sigma_min": 2, "sigma_max": 1)") == "scheduler: sigma_max must be above sigma_min, 2, got 1");
  for (const char* null : {R"("sigma_min": null)", R"("sigma_max": null)"})
    CHECK(message(edm, null) == "scheduler: sigma_min and sigma_max of a EDMEulerScheduler must be numbers, got null");
  CHECK(message(euler, R"("sigma_min": null, "sigma_max": 0)") == "scheduler: sigma_max must be positive, got 0");
  CHECK(message(dpm, R"("lambda_min_clipped": 100)") ==
        "set_timesteps: lambda_min_clipped must leave 3 time steps for n = 3 and timestep_spacing linspace, got 0");
  CHECK(message(dpm, R"("lambda_min_clipped": 100, "timestep_spacing": "leading")") ==
        "set_timesteps: lambda_min_clipped must leave 4 time steps for n = 3 and timestep_spacing leading, got 0");
  CHECK(message(dpm, R"("lambda_min_clipped": 100, "timestep_spacing": "trailing")") ==
        "set_timesteps: lambda_min_clipped must leave 1 time steps for n = 3 and timestep_spacing trailing, got 0");
  CHECK(message(edm, R"("rho": 0)") == "scheduler: rho must be positive, got 0");
  CHECK(message(flow, R"("use_dynamic_shifting": true)") == "set_timesteps: use_dynamic_shifting needs mu");
  CHECK(message("DDPMScheduler", R"("variance_type": null)") ==
        "scheduler: variance_type must not be null for a DDPMScheduler");
  CHECK(message(euler, R"("timestep_type": "slow")") ==
        "scheduler: timestep_type must be one of discrete, continuous, got slow");
  CHECK(message(euler, R"("use_karras_sigmas": "yes")") ==
        "scheduler_config.json: use_karras_sigmas has the wrong type, got \"yes\"");
  CHECK_THROWS_WITH(make_scheduler(edm)->set_custom_timesteps({3, 2}),
                    Contains("goes by sigma_min, sigma_max and rho"));
  CHECK_THROWS_WITH(make_scheduler("PNDMScheduler")->set_custom_timesteps({3, 2}), Contains("spreads its time steps"));
  CHECK_THROWS_WITH(make_scheduler(dpm)->set_custom_timesteps({3.5, 2}), Contains("must be integers, got 3.5"));
  CHECK_THROWS_WITH(make_scheduler(dpm)->plan(), "plan: set_timesteps() must come first");
  const Tensor x = randn({1, 2, 2, 3});
  CHECK_THROWS_WITH(make_scheduler(edm)->add_noise(x, x, Tensor::zeros({1}, DType::i64)),
                    "EDMEulerScheduler: does not train by time steps; EdmDenoiser trains models for EDM");
}
