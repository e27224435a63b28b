// The loss of one batch: draw time steps and noise, corrupt the images, compare what the model says
// with the target.
#pragma once

#include <functional>

#include "autograd/variable.h"
#include "diffusion/scheduler.h"

namespace imago::diffusion {

// What is trained: from x_t (N, H, W, C) and time steps t (N), i64, to the model's output.
using TrainedModel = std::function<Variable(const Variable& x_t, const Tensor& t)>;

enum class LossKind : uint8_t { mse, l1, huber };

struct LossOptions {
  LossKind kind = LossKind::mse;
  Tensor weights = {};  // f64 (num_train_timesteps), see loss_weights(); none: Ho et al. 2020, equation 14
};

// With snr = alpha_bar / (1 - alpha_bar), each image's loss is multiplied by a function of its time
// step.
enum class LossWeighting : uint8_t {
  snr,      // as diffusers' training script has it for models that predict the sample
  min_snr,  // Hang et al. 2023 (arXiv:2303.09556): min(snr, gamma) over snr (epsilon), 1 (sample)
            // or snr + 1 (v)
};
// That function, as a table.
Tensor loss_weights(const Scheduler& scheduler, LossWeighting weighting, double min_snr_gamma = 5);

// Which random numbers a batch gets: those of images first_image, first_image + 1, ... of this
// step. So the parts of a batch that is split up draw what the whole would have drawn.
struct BatchKey {
  uint64_t seed = 0;
  uint32_t step = 0;
  uint64_t first_image = 0;
  const uint32_t* step_at = nullptr;  // a counter on the device, added to step: see RandomKey

  RandomKey stream(uint32_t stream) const {
    return {.seed = seed, .stream = stream, .step = step, .step_at = step_at};
  }
  // Masks of dropout are not numbered by image: so that the parts of a batch do not share them, each has its own seed.
  uint64_t mask_seed() const { return seed + first_image * 0x9E3779B97F4A7C15u; }
};

struct TrainingBatch {
  Tensor x_t, target;  // (N, ...)
  Tensor t;            // (N), i64, uniform in [0, num_train_timesteps)
  Tensor weight;       // (N), or undefined
};
TrainingBatch training_batch(const Scheduler& scheduler, const Tensor& x0, const BatchKey& key,
                             const LossOptions& options = {});
// The same from images that are still bytes; x_t and target are f32. What is drawn, and everything else, is work of the
// device: with a key that has a step_at it may be captured in a graph.
TrainingBatch training_batch(const Scheduler& scheduler, const PickedImages& x0, const BatchKey& key,
                             const LossOptions& options = {});

// A scalar, ready for backward(). x0 is (N, ...), f32 or f64, or picked images. The model is called in training mode:
// dropout drops, by the key's seed and step.
Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const Tensor& x0,
                       const BatchKey& key, const LossOptions& options = {});
Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const PickedImages& x0,
                       const BatchKey& key, const LossOptions& options = {});

}  // namespace imago::diffusion
