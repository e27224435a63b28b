#include "diffusion/training_loss.h"

#include <algorithm>

#include "autograd/functions.h"
#include "core/random.h"
#include "nn/training.h"

namespace imago::diffusion {
namespace {

double weight_of(double alpha_bar, PredictionType prediction, const LossOptions& options) {
  const double snr = alpha_bar / (1 - alpha_bar);
  if (options.weighting == LossWeighting::snr) return snr;
  const double clamped = std::min(snr, options.min_snr_gamma);
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

}  // namespace

TrainingBatch training_batch(const Scheduler& scheduler, const Tensor& x0, const BatchKey& key,
                             const LossOptions& options) {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "training_batch: x0 must be (N, ...), got ",
              x0.shape());
  const int64_t N = x0.dim(0);
  TrainingBatch batch;
  batch.t = Tensor({N}, DType::i64, x0.device());
  fill_integers(batch.t, {.seed = key.seed, .stream = kTimestepStream, .step = key.step},
                scheduler.config().num_train_timesteps, key.first_image);
  const uint64_t image_size = N ? static_cast<uint64_t>(x0.numel() / N) : 0;
  const Noise noise({.seed = key.seed, .stream = kNoiseStream, .step = key.step},
                    key.first_image * image_size);
  auto [x_t, target] = scheduler.noisy_batch(x0, noise, batch.t);
  batch.x_t = std::move(x_t), batch.target = std::move(target);
  if (options.weighting != LossWeighting::none) {
    std::vector<double> weights;
    for (const int64_t t : batch.t.to_vector<int64_t>())
      weights.push_back(weight_of(scheduler.alphas_cumprod()[static_cast<size_t>(t)],
                                  scheduler.config().prediction_type, options));
    batch.weight = Tensor::from<double>(weights, {N}).to(x0.dtype());
  }
  return batch;
}

Variable training_loss(const TrainedModel& model, const Scheduler& scheduler, const Tensor& x0,
                       const BatchKey& key, const LossOptions& options) {
  const TrainingBatch batch = training_batch(scheduler, x0, key, options);
  const nn::Training training(key.seed, key.step);
  const Variable prediction = model(batch.x_t, batch.t);
  switch (options.kind) {
    case LossKind::mse:
      return mse_loss(prediction, batch.target, batch.weight);
    case LossKind::l1:
      return l1_loss(prediction, batch.target, batch.weight);
    case LossKind::huber:
      return huber_loss(prediction, batch.target, 1, batch.weight);
  }
  fail("training_loss: there is no loss number ", static_cast<int>(options.kind));
}

}  // namespace imago::diffusion
