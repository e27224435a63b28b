#include "diffusion/training_loss.h"

#include <algorithm>

#include "autograd/functions.h"
#include "kernels/embedding.h"
#include "kernels/fill_random.h"
#include "nn/training.h"

namespace imago::diffusion {
namespace {

double weight_of(double alpha_bar, PredictionType prediction, LossWeighting weighting, double gamma) {
  const double snr = alpha_bar / (1 - alpha_bar);
  if (weighting == LossWeighting::snr) return snr;
  const double clamped = std::min(snr, gamma);
  switch (prediction) {
    case PredictionType::epsilon:
      return snr > 0 ? clamped / snr : 1;
    case PredictionType::sample:
      return clamped;
    case PredictionType::v_prediction:
      return clamped / (snr + 1);
    case PredictionType::flow_prediction:
      break;
  }
  return 1;
}

// x0, of the given shape, is a tensor or picked images.
template <typename X0>
TrainingBatch make_batch(const Scheduler& scheduler, const X0& x0, const Shape& shape, Device device,
                         const BatchKey& key, const LossOptions& options) {
  const int64_t N = shape[0], T = scheduler.config().num_train_timesteps;
  TrainingBatch batch;
  batch.t = Tensor({N}, DType::i64, device);
  kernels::fill_integers(batch.t, key.stream(kTimestepStream), T, key.first_image);
  const uint64_t image_size = N ? static_cast<uint64_t>(shape.numel() / N) : 0;
  const Noise noise(key.stream(kNoiseStream), key.first_image * image_size);
  auto [x_t, target] = scheduler.noisy_batch(x0, noise, batch.t);
  batch.x_t = std::move(x_t), batch.target = std::move(target);
  if (options.weights.defined()) {
    IMAGO_CHECK(options.weights.shape() == Shape{T}, "training_batch: weights must be ", Shape{T},
                ", got ", options.weights.shape());
    batch.weight =
        kernels::embedding(batch.t, options.weights.reshape({T, 1})).reshape({N}).to(batch.x_t.dtype());
  }
  return batch;
}

Variable loss_of(const TrainedModel& model, const TrainingBatch& batch, const BatchKey& key,
                 LossKind kind) {
  const nn::Training training(key.mask_seed(), key.step, key.step_at);
  const Variable prediction = model(batch.x_t, batch.t);
  switch (kind) {
    case LossKind::mse:
      return mse_loss(prediction, batch.target, batch.weight);
    case LossKind::l1:
      return l1_loss(prediction, batch.target, batch.weight);
    case LossKind::huber:
      return huber_loss(prediction, batch.target, 1, batch.weight);
  }
  fail("training_loss: there is no loss number ", static_cast<int>(kind));
}

}  // namespace

Tensor loss_weights(const Scheduler& scheduler, LossWeighting weighting, double min_snr_gamma) {
  std::vector<double> weights;
  for (const float alpha_bar : scheduler.alphas_cumprod())
    weights.push_back(
        weight_of(alpha_bar, scheduler.config().prediction_type, weighting, min_snr_gamma));
  return Tensor::from<double>(weights, {static_cast<int64_t>(weights.size())});
}

TrainingBatch training_batch(const Scheduler& scheduler, const Tensor& x0, const BatchKey& key,
                             const LossOptions& options) {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "training_batch: x0 must be (N, ...), got ",
              x0.shape());
  return make_batch(scheduler, x0, x0.shape(), x0.device(), key, options);
}

TrainingBatch training_batch(const Scheduler& scheduler, const PickedImages& x0, const BatchKey& key,
                             const LossOptions& options) {
  x0.check("training_batch");
  return make_batch(scheduler, x0, x0.shape(), x0.images.device(), key, options);
}

Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const Tensor& x0,
                       const BatchKey& key, const LossOptions& options) {
  return loss_of(model, training_batch(scheduler, x0, key, options), key, options.kind);
}

Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const PickedImages& x0,
                       const BatchKey& key, const LossOptions& options) {
  return loss_of(model, training_batch(scheduler, x0, key, options), key, options.kind);
}

}  // namespace imago::diffusion
