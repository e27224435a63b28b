#include "kernels/add_noise.h"

#include <vector>

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

void check_steps(const char* op, const Tensor& t, int64_t N, int64_t steps) {
  IMAGO_CHECK(t.shape() == Shape{N} && (t.dtype() == DType::i32 || t.dtype() == DType::i64), op, ": t must be ",
              Shape{N}, " of i32 or i64, got ", t.shape(), " ", t.dtype());
  if (!t.on_host()) return;  // looking at them would wait for the device
  for (const int64_t step : t.to_vector<int64_t>())
    IMAGO_CHECK(step >= 0 && step < steps, op, ": t must be in [0, ", steps, "), got ", step);
}

void launch(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
            const Tensor& sigma, PredictionType prediction, const Tensor& x_t,
            const Tensor& target) {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "add_noise: x0 must be (N, ...), got ", x0.shape());
  const int64_t N = x0.dim(0);
  check_schedule("add_noise", noise, t, N, alpha, sigma);
  check_same_device("add_noise", x0, {{"t", t}, {"alpha", alpha}, {"sigma", sigma}});
  const AddNoise p{
      .x0 = x0.raw(),
      .noise = noise.source_for(x0, "add_noise"),
      .t = t.raw(),
      .alpha = static_cast<const float*>(alpha.raw()),
      .sigma = static_cast<const float*>(sigma.raw()),
      .x_t = x_t.raw(),
      .target = target.raw(),
      .N = N,
      .E = N ? x0.numel() / N : 0,
      .prediction = prediction,
      .t_dtype = t.dtype(),
      .dtype = x0.dtype(),
  };
  if (x0.numel()) backend_for(x0.device()).add_noise(p, current_stream(x0.device()));
}

}  // namespace

void check_schedule(const char* op, const Noise& noise, const Tensor& t, int64_t N, const Tensor& alpha,
                    const Tensor& sigma) {
  IMAGO_CHECK(noise.given(), op, ": noise must be a tensor or a key");
  IMAGO_CHECK(alpha.rank() == 1 && alpha.dtype() == DType::f32, op, ": alpha must be (T) f32, got ", alpha.shape(), " ",
              alpha.dtype());
  IMAGO_CHECK(sigma.shape() == alpha.shape() && sigma.dtype() == DType::f32, op, ": sigma must be ", alpha.shape(),
              " f32, got ", sigma.shape(), " ", sigma.dtype());
  if (t.defined()) return check_steps(op, t, N, alpha.dim(0));
  IMAGO_CHECK(alpha.dim(0) == N, op, ": without t, alpha must be ", Shape{N}, ", got ", alpha.shape());
}

NoisyBatch noisy_batch(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                       const Tensor& sigma, PredictionType prediction) {
  const bool predicts_x0 = prediction == PredictionType::sample;
  const bool has_target =
      !predicts_x0 && !(prediction == PredictionType::epsilon && noise.values().defined());
  NoisyBatch out{.x_t = Tensor::empty_like(x0),
                 .target = has_target ? Tensor::empty_like(x0) : Tensor()};
  launch(x0, noise, t, alpha, sigma, prediction, out.x_t, out.target);
  if (!has_target) out.target = predicts_x0 ? x0 : noise.values();
  return out;
}

Tensor add_noise(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                 const Tensor& sigma) {
  const Tensor x_t = Tensor::empty_like(x0);
  launch(x0, noise, t, alpha, sigma, PredictionType::sample, x_t, {});
  return x_t;
}

Tensor velocity(const Tensor& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                const Tensor& sigma) {
  const Tensor v = Tensor::empty_like(x0);
  launch(x0, noise, t, alpha, sigma, PredictionType::v_prediction, {}, v);
  return v;
}

}  // namespace imago::kernels
