// The loss of one batch: draw time steps and noise, corrupt the images, compare what the model says
// with the target.
#pragma once

#include <functional>

#include "autograd/variable.h"
#include "diffusion/scheduler.h"

namespace imago::diffusion {

// What is trained: from x_t (N, H, W, C) and time steps t (N), i64, to the model's output.
using TrainedModel = std::function<Variable(const Variable& x_t, const Tensor& t)>;

// With snr = alpha_bar / (1 - alpha_bar), each image's loss is multiplied by a function of its time
// step.
enum class LossWeighting : uint8_t {
  none,     // Ho et al. 2020, equation 14
  snr,      // as diffusers' training script has it for models that predict the sample
  min_snr,  // Hang et al. 2023 (arXiv:2303.09556): min(snr, gamma) over snr (epsilon), 1 (sample)
            // or snr + 1 (v)
};

enum class LossKind : uint8_t { mse, l1, huber };

struct LossOptions {
  LossKind kind = LossKind::mse;
  LossWeighting weighting = LossWeighting::none;
  double min_snr_gamma = 5;
};

// Which random numbers a batch gets: those of images first_image, first_image + 1, ... of this
// step. So the parts of a batch that is split up draw what the whole would have drawn.
struct BatchKey {
  uint64_t seed = 0;
  uint32_t step = 0;
  uint64_t first_image = 0;
};

struct TrainingBatch {
  Tensor x_t, target;  // (N, ...)
  Tensor t;            // (N), i64, uniform in [0, num_train_timesteps)
  Tensor weight;       // (N), or undefined
};
TrainingBatch training_batch(const Scheduler& scheduler, const Tensor& x0, const BatchKey& key,
                             const LossOptions& options = {});

// A scalar, ready for backward(). x0 is (N, ...), f32 or f64. The model is called in training mode:
// dropout drops, by the key's seed and step.
Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const Tensor& x0,
                       const BatchKey& key, const LossOptions& options = {});

}  // namespace imago::diffusion
