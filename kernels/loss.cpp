#include "kernels/loss.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

int64_t samples(const Tensor& x) { return x.rank() ? x.dim(0) : 1; }
int64_t per_sample(const Tensor& x) { return x.numel() / std::max<int64_t>(1, samples(x)); }

void check(LossKind kind, const Tensor& prediction, const Tensor& target, const Tensor& weight, double delta) {
  const char* op = name_of(kind);
  IMAGO_CHECK(prediction.defined() && target.defined(), op, ": prediction and target must be defined");
  IMAGO_CHECK(target.shape() == prediction.shape() && target.dtype() == prediction.dtype(), op, ": target must be ",
              prediction.shape(), " ", prediction.dtype(), ", got ", target.shape(), " ", target.dtype());
  const int64_t N = samples(prediction);
  IMAGO_CHECK(!weight.defined() || (weight.shape() == Shape{N} && weight.dtype() == prediction.dtype()), op,
              ": weight must be (", N, ") ", prediction.dtype(), ", got ", weight.shape(), " ", weight.dtype());
  check_same_device(op, prediction, {{"target", target}, {"weight", weight}});
  IMAGO_CHECK(kind != LossKind::huber || delta > 0, op, ": delta must be positive, got ", delta);
}

}  // namespace

const char* name_of(LossKind kind) {
  switch (kind) {
    case LossKind::mse: return "mse_loss";
    case LossKind::l1: return "l1_loss";
    case LossKind::huber: return "huber_loss";
  }
  return "?";
}

Tensor loss(LossKind kind, const Tensor& prediction, const Tensor& target, const Tensor& weight, double delta) {
  check(kind, prediction, target, weight, delta);
  Tensor out(Shape(), prediction.dtype(), prediction.device());
  const LossForward p{
      .prediction = prediction.raw(), .target = target.raw(), .weight = weight.raw(), .loss = out.raw(),
      .N = samples(prediction), .M = per_sample(prediction), .kind = kind, .delta = delta, .dtype = prediction.dtype(),
  };
  backend_for(prediction.device()).loss_forward(p, current_stream(prediction.device()));
  return out;
}

Tensor loss_backward(LossKind kind, const Tensor& dloss, const Tensor& prediction, const Tensor& target,
                     const Tensor& weight, double delta) {
  IMAGO_CHECK(dloss.numel() == 1 && dloss.dtype() == prediction.dtype(), name_of(kind), "_backward: dloss must be one ",
              prediction.dtype(), ", got ", dloss.shape(), " ", dloss.dtype());
  check_same_device(name_of(kind), prediction, {{"dloss", dloss}, {"target", target}, {"weight", weight}});
  Tensor dprediction = Tensor::empty_like(prediction);
  const LossBackward p{
      .dloss = dloss.raw(), .prediction = prediction.raw(), .target = target.raw(), .weight = weight.raw(),
      .dprediction = dprediction.raw(), .N = samples(prediction), .M = per_sample(prediction), .kind = kind,
      .delta = delta, .dtype = prediction.dtype(),
  };
  if (prediction.numel()) backend_for(prediction.device()).loss_backward(p, current_stream(prediction.device()));
  return dprediction;
}

LossAndGradient loss_with_gradient(LossKind kind, const Tensor& prediction, const Tensor& target, const Tensor& weight,
                                   double delta) {
  check(kind, prediction, target, weight, delta);
  const LossAndGradient out{Tensor(Shape(), prediction.dtype(), prediction.device()), Tensor::empty_like(prediction)};
  const LossWithGradient p{
      .prediction = prediction.raw(), .target = target.raw(), .weight = weight.raw(), .loss = out.loss.raw(),
      .dprediction = out.dprediction.raw(), .N = samples(prediction), .M = per_sample(prediction), .kind = kind,
      .delta = delta, .dtype = prediction.dtype(),
  };
  backend_for(prediction.device()).loss_with_gradient(p, current_stream(prediction.device()));
  return out;
}

}  // namespace imago::kernels
