// Optimisers: one step() is one pass over the flat parameters of an arena.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/adamw.h"
#include "nn/arena.h"
#include "nn/optim/ema.h"

namespace imago::nn {

struct StepOptions {
  double gradient_scale = 1;  // gradients are multiplied by it first, see clip_grad_norm()
  // Above 0: gradients are clipped to this global norm as by clip_grad_norm(), but nobody gets to see the norm: on a
  // GPU it stays there, and the step is queued without waiting for it.
  double max_norm = 0;
  Tensor squared_norm = {};    // with max_norm: the gradients' sum_squares(), where it is known already
  bool zero_gradient = false;  // gradients are 0 afterwards, as after zero_grad(), in the same pass
  Ema* ema = nullptr;         // an average that is updated along with the parameters
};

class Optimizer {
 public:
  explicit Optimizer(ParameterArena& arena) : arena_(arena) {}
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Moves the parameters by their gradients, which stay as they are unless options say otherwise. Throws while an
  // EmaScope is open.
  void step(double lr, const StepOptions& options = {});

  ParameterArena& arena() { return arena_; }
  int64_t steps() const { return steps_; }  // updates so far
  void set_steps(int64_t steps) { steps_ = steps; }
  // What has to be saved, beside steps(), to go on as if never interrupted: flat tensors, laid out
  // as the arena. They are the optimiser's own, so a checkpoint is loaded by copying into them.
  virtual std::vector<std::pair<std::string, Tensor>> state() const = 0;

 protected:
  // Update number `k`.
  virtual void update(int64_t k, double lr, const StepOptions& options) = 0;

 private:
  ParameterArena& arena_;
  int64_t steps_ = 0;
};

struct SgdOptions {
  double momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

class Sgd : public Optimizer {
 public:
  explicit Sgd(ParameterArena& arena, const SgdOptions& options = {});
  // "momentum_buffer", if there is momentum.
  std::vector<std::pair<std::string, Tensor>> state() const override;

 private:
  void update(int64_t k, double lr, const StepOptions& options) override;
  SgdOptions options_;
  Tensor momentum_buffer_;
};

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
};

// Kingma & Ba 2015 (arXiv:1412.6980). Weight decay is an L2 penalty: part of the gradient.
class Adam : public Optimizer {
 public:
  explicit Adam(ParameterArena& arena, const AdamOptions& options = {})
      : Adam(arena, options, false) {}
  // "exp_avg" and "exp_avg_sq", the moments m and v.
  std::vector<std::pair<std::string, Tensor>> state() const override;

  // What update k (the first is 1) has to know, and an update that finds it in the device's memory: one that does not
  // differ from step to step, as far as the host knows. The counters of this and of options.ema stay as they are.
  kernels::AdamWNumbers numbers(int64_t k, double lr, double ema_decay) const;
  void update_from(const kernels::AdamWUpdate* update_at, const StepOptions& options = {});

 protected:
  Adam(ParameterArena& arena, const AdamOptions& options, bool decoupled);

 private:
  void update(int64_t k, double lr, const StepOptions& options) override;
  void update(kernels::AdamWArguments arguments, const StepOptions& options);
  AdamOptions options_;
  bool decoupled_;
  Tensor m_, v_;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
};

// Loshchilov & Hutter 2019 (arXiv:1711.05101). Weight decay does not pass through the moments: the
// weights shrink by lr times it.
class AdamW : public Adam {
 public:
  explicit AdamW(ParameterArena& arena, const AdamWOptions& o = {})
      : Adam(arena,
             {.beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .weight_decay = o.weight_decay},
             true) {}
};

}  // namespace imago::nn
