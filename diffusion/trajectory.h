// The way from noise to an image, step by step, along a scheduler's plan.
#pragma once

#include <optional>

#include "diffusion/scheduler.h"

namespace imago::diffusion {

class Trajectory {
 public:
  // x is (N, ..., C), as the model sees it. Noise to start from is start_of() times standard normal.
  Trajectory(const Scheduler& scheduler, Tensor x, const StepOptions& options = {});
  // init_noise_sigma() input_scale(): what the noise is multiplied by that sampling starts from.
  static double start_of(const Scheduler& scheduler) {
    return scheduler.init_noise_sigma() * scheduler.input_scale(0);
  }

  bool done() const { return next_ == steps_.size(); }
  // What the model is to be called with for the next step: x, and its time step, N times: i64, or f32 where time steps
  // need not be integers.
  const Tensor& x() const { return x_; }
  Tensor timesteps() const;

  // The next step and how many there are, and whether it wants noise.
  size_t next() const { return next_; }
  size_t size() const { return steps_.size(); }
  double t() const { return step().t; }
  bool draws_noise() const { return step().draws_noise; }

  // Takes it. model is the model's output for x() and timesteps(), with twice the channels where it says the variance
  // too; noise is standard normal, of x's shape. Returns the predicted x_0 if that is wanted.
  Tensor advance(const Tensor& model, const Noise& noise = {}, bool want_x0 = false);

  // ---- the same as work of the device alone, which is the same for every step ----

  // Whether that is possible. Dynamic thresholding takes the host to find its limits.
  bool may_be_captured() const { return !config_.thresholding; }
  // Sends the plan to the device. From here on x() stays where it is: steps overwrite it.
  void to_device();
  // The step that advance_on_device() takes next, from 1, in the device's memory: for RandomKey::step_at.
  const uint32_t* step_at() const { return static_cast<const uint32_t*>(plan_->step.raw()); }
  // timesteps() and advance() of the next step. `noise` may be given for all steps if it is for one.
  Tensor timesteps_on_device();
  Tensor advance_on_device(const Tensor& model, const Noise& noise, bool want_x0);
  // Counts a step that has been given to the device.
  void count() { ++next_; }
  bool ever_draws_noise() const;

 private:
  const SamplingStep& step() const;
  // Each image's limit of |x_0| by dynamic thresholding.
  Tensor limits(const Tensor& model) const;

  SchedulerConfig config_;
  bool integer_timesteps_;
  std::vector<SamplingStep> steps_;
  Tensor x_, memory_;  // (N, ..., C)  (M, N, ..., C)
  size_t next_ = 0;
  std::optional<kernels::DenoisePlan> plan_;
  Tensor plan_timesteps_;  // (steps), i64 or f32
};

}  // namespace imago::diffusion
