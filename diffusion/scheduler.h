// Schedulers: the forward process of training and the reverse process of sampling. In the papers'
// symbols, alpha_bar_t is the part of the image's variance left at time step t, and x_t =
// sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) epsilon.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "diffusion/scheduler_config.h"
#include "kernels/add_noise.h"
#include "kernels/denoise_step.h"
#include "kernels/pick_images.h"

namespace imago::diffusion {

using kernels::Noise;
using kernels::PickedImages;

struct StepOptions {
  Noise noise = {};  // standard normal, of x_t's shape; needed where draws_noise() says so
  double eta = 0;    // DDIM: 0 draws no noise at all, 1 as much as DDPM
  bool use_clipped_model_output = false;  // DDIM: derive epsilon again from the clipped x0
  bool want_x0 = false;
};

// x_{t-1}, and the predicted x_0 if it was wanted.
using StepResult = kernels::DenoiseResult;

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual const char* class_name() const = 0;  // diffusers' name for it
  const SchedulerConfig& config() const { return config_; }

  std::span<const float> betas() const { return betas_; }
  std::span<const float> alphas_cumprod() const { return alpha_bar_; }

  // ---- training ----

  // x_t[n] at time step t[n]. x0 is (N, ...), t (N) of i32 or i64.
  Tensor add_noise(const Tensor& x0, const Noise& noise, const Tensor& t) const;
  // v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x0, Salimans & Ho 2022 (arXiv:2202.00512),
  // section 4.
  Tensor get_velocity(const Tensor& x0, const Noise& noise, const Tensor& t) const;
  // x_t, and what config().prediction_type wants the model to say about it.
  kernels::NoisyBatch noisy_batch(const Tensor& x0, const Noise& noise, const Tensor& t) const;
  // The same of images that are still bytes, scaled to [-1, 1].
  kernels::NoisyBatch noisy_batch(const PickedImages& x0, const Noise& noise, const Tensor& t) const;

  // ---- sampling ----

  // n steps, spread over the time steps of training as config().timestep_spacing says. Before the
  // first call there is one step for each.
  void set_timesteps(int64_t n);
  // These steps: descending, none above num_train_timesteps - 1 or below 0.
  void set_custom_timesteps(std::vector<int64_t> timesteps);
  std::span<const int64_t> timesteps() const { return timesteps_; }

  // Whether the step at t wants noise.
  virtual bool draws_noise(int64_t t, double eta) const = 0;
  // From x_t to x_{t-1}, where t is one of timesteps() and t - 1 stands for the one behind it.
  // model is the model's output for x_t and t, with twice the channels where it says the variance
  // too.
  StepResult step(const Tensor& model, int64_t t, const Tensor& x_t,
                  const StepOptions& options = {}) const;

 protected:
  explicit Scheduler(SchedulerConfig config);

  // How x_{t-1} is made of x_0, x_t and the model's output. The x0 terms are filled in already.
  virtual void set_coefficients(int64_t t, const StepOptions& options,
                                kernels::DenoiseCoefficients& c) const = 0;

  float alpha_bar(int64_t t) const { return alpha_bar_[static_cast<size_t>(t)]; }
  // The step behind t, -1 behind the last. Throws if t is not one of timesteps().
  int64_t next_timestep(int64_t t) const;
  bool custom_timesteps() const { return custom_timesteps_; }

 private:
  Tensor threshold(const Tensor& model, const Tensor& x_t,
                   const kernels::DenoiseCoefficients& c) const;

  SchedulerConfig config_;
  std::vector<float> betas_, alpha_bar_;
  Tensor sqrt_alpha_bar_, sqrt_one_minus_alpha_bar_;  // (num_train_timesteps)
  std::vector<int64_t> timesteps_;
  bool custom_timesteps_ = false;
};

// "DDPMScheduler" or "DDIMScheduler". A config of one may be given to the other: what both know
// carries over.
std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name,
                                          const SchedulerConfig& config = {});
// From the text of a scheduler_config.json, and to it.
std::unique_ptr<Scheduler> scheduler_from_json(std::string_view json);
std::string to_json(const Scheduler& scheduler);

}  // namespace imago::diffusion
