// Schedulers: the forward process of training and the reverse process of sampling. In the papers'
// symbols, alpha_bar_t is the part of the image's variance left at time step t, and x_t =
// sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) epsilon.
//
// Sampling is planned before it starts. Whatever the method, what it does behind a call of the model is linear in x,
// the model's output, the x_0 predicted from both, a few remembered tensors and noise (kernels/denoise_step.h); so a
// scheduler makes a list of coefficients, and one class that goes through such a list (diffusion/trajectory.h) samples
// with all of them.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "diffusion/scheduler_config.h"
#include "kernels/add_noise.h"
#include "kernels/denoise_step.h"

namespace imago::diffusion {

using kernels::DenoiseCoefficients;
using kernels::Noise;

// What the steps may be asked for, besides the config.
struct StepOptions {
  double eta = 0;                         // DDIM: 0 draws no noise at all, 1 as much as DDPM
  bool use_clipped_model_output = false;  // DDIM: derive epsilon again from the clipped x0
  // Euler and EDM Euler: noise is added before each step from a sigma in [s_tmin, s_tmax]. Karras et al. 2022,
  // algorithm 2.
  double s_churn = 0, s_tmin = 0, s_tmax = std::numeric_limits<double>::infinity(), s_noise = 1;
  // Start at this step, with an image that has been noised as far as this.
  size_t first_step = 0;
};

// One call of the model and what follows.
struct SamplingStep {
  double t;  // the time step that the model is told
  bool draws_noise = false;
  DenoiseCoefficients update = {};
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  const char* class_name() const { return class_name_; }  // diffusers' name for it
  const SchedulerConfig& config() const { return config_; }

  // Empty where there are none: EDM and flow matching.
  std::span<const float> betas() const { return betas_; }
  std::span<const float> alphas_cumprod() const { return alpha_bar_; }

  // ---- training ----

  // x_t[n] at time step t[n], as the model sees it. x0 is (N, ...), t (N) of i32 or i64.
  Tensor add_noise(const Tensor& x0, const Noise& noise, const Tensor& t) const;
  // v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x0, Salimans & Ho 2022 (arXiv:2202.00512),
  // section 4.
  Tensor get_velocity(const Tensor& x0, const Noise& noise, const Tensor& t) const;
  // x_t, and what config().prediction_type wants the model to say about it.
  kernels::NoisyBatch noisy_batch(const Tensor& x0, const Noise& noise, const Tensor& t) const;

  // ---- sampling ----

  // n steps, spread over the time steps of training as the config says. mu: how far flow matching's sigmas are shifted,
  // for use_dynamic_shifting. Before the first call, DDPM and DDIM have one step for each time step, others none.
  void set_timesteps(int64_t n, std::optional<double> mu = {});
  // These steps: descending, none above num_train_timesteps - 1 or below 0.
  void set_custom_timesteps(std::vector<double> timesteps);
  // One for each call of the model, which some methods call several times at the same.
  std::span<const double> timesteps() const { return timesteps_; }
  // The noise level at each of them and at the end, where the method goes by these.
  std::span<const double> sigmas() const { return sigmas_; }
  // Whether the model is told integers.
  virtual bool integer_timesteps() const { return true; }

  // Sampling starts from this times standard normal noise, in diffusers' scale of x; and there the model sees this
  // times x at step k.
  virtual double init_noise_sigma() const { return 1; }
  virtual double input_scale(size_t) const { return 1; }

  // All steps, for an x that is kept as the model sees it: where diffusers would scale it for each call, the scales are
  // in the coefficients. So sampling starts from init_noise_sigma() input_scale(0) times standard normal noise, and
  // ends with an image. Steps that draw no noise have a sigma of zero.
  std::vector<SamplingStep> plan(const StepOptions& options = {}) const;

 protected:
  // With the betas of the config, or without any.
  enum class Betas { of_config, none };
  Scheduler(const char* class_name, SchedulerConfig config, Betas betas = Betas::of_config);

  struct Timetable {
    std::vector<double> timesteps, sigmas = {};
  };
  // Where set_timesteps() and set_custom_timesteps() put the calls of the model. These here have integers and no
  // sigmas.
  virtual Timetable timetable(int64_t n, std::optional<double> mu) const;
  virtual Timetable custom_timetable(std::vector<double> timesteps) const { return {std::move(timesteps)}; }

  // Step k in diffusers' scale of x: its update and whether it draws noise. The default coefficients are zero but for
  // the clipping of x0.
  virtual void plan_step(size_t k, const StepOptions& options, SamplingStep& step) const = 0;

  // N - 1, N - 2, ..., 0
  void set_every_timestep();
  // The last alpha_bar of a schedule that ends without any signal; else sigma would be infinite there.
  void keep_a_little_signal();

  float alpha_bar(double t) const { return alpha_bar_[static_cast<size_t>(t)]; }
  // The step behind step k, -1 behind the last.
  double next_timestep(size_t k) const { return k + 1 < timesteps_.size() ? timesteps_[k + 1] : -1; }
  bool custom_timesteps() const { return custom_timesteps_; }

 private:
  void check_trains() const;

  const char* class_name_;
  SchedulerConfig config_;
  std::vector<float> betas_, alpha_bar_;
  Tensor signal_, noise_;  // (num_train_timesteps): sqrt(alpha_bar), sqrt(1 - alpha_bar)
  std::vector<double> timesteps_, sigmas_;
  bool custom_timesteps_ = false;
};

// x0 from x = alpha x0 + sigma epsilon and the model's output: c.x0_x and c.x0_model.
void predict_x0(PredictionType prediction, double alpha, double sigma, DenoiseCoefficients& c);
// epsilon of the same, of an x0 that is not clipped: x times the one plus the model's output times the other.
struct Epsilon {
  double x, model;
};
Epsilon epsilon_of(PredictionType prediction, double alpha, double sigma);

// "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler",
// "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler" or
// "FlowMatchEulerDiscreteScheduler". The defaults of a class are default_config(class_name).
std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name, const SchedulerConfig& config);
std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name);
// From the text of a scheduler_config.json, and to it. With a class name it is as that class's from_config() in
// diffusers: see parse_scheduler_config().
std::unique_ptr<Scheduler> scheduler_from_json(std::string_view json, std::string_view class_name = {});
std::string to_json(const Scheduler& scheduler);

// Short names for command lines: ddpm, ddim, pndm, dpmsolver++, euler, euler_a, heun; these sample from what DDPM's
// training has made. Throws where there is none.
std::string_view scheduler_class(std::string_view sampler);
std::vector<std::string> sampler_names();

}  // namespace imago::diffusion
