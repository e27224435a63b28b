#include "kernels/loss.h"

#include "autograd/functions.h"

namespace imago {
namespace {

using kernels::LossKind;

Variable loss(LossKind kind, const Variable& prediction, const Tensor& target, const Tensor& weight, double delta = 1) {
  auto backward = [kind, delta, prediction = Saved(prediction), target = Saved(target),
                   weight = Saved(weight)](const Tensor& dloss, Needs) -> Grads {
    return {kernels::loss_backward(kind, dloss, prediction, target, weight, delta)};
  };
  return record(name_of(kind), kernels::loss(kind, prediction.value(), target, weight, delta), {prediction}, backward);
}

}  // namespace

Variable mse_loss(const Variable& prediction, const Tensor& target, const Tensor& weight) {
  return loss(LossKind::mse, prediction, target, weight);
}

Variable l1_loss(const Variable& prediction, const Tensor& target, const Tensor& weight) {
  return loss(LossKind::l1, prediction, target, weight);
}

Variable huber_loss(const Variable& prediction, const Tensor& target, double delta, const Tensor& weight) {
  return loss(LossKind::huber, prediction, target, weight, delta);
}

}  // namespace imago
