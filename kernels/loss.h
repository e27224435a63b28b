// Regression losses: one number for prediction and target of equal shape, with an optional constant
// weight per sample.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

enum class LossKind : uint8_t { mse, l1, huber };

// loss = 1 / (N * M) * sum over n, m of weight[n] * f(prediction[n, m] - target[n, m])
struct LossForward {
  const void *prediction, *target, *weight;  // (N, M)  (N, M)  (N) or null
  void* loss;                                // one value
  int64_t N, M;
  LossKind kind;
  double delta;  // of huber
  DType dtype;
};

struct LossBackward {
  const void *dloss, *prediction, *target, *weight;  // one value  (N, M)  (N, M)  (N) or null
  void* dprediction;                                 // (N, M)
  int64_t N, M;
  LossKind kind;
  double delta;
  DType dtype;
};

// Both in one pass over prediction and target, for dloss = 1.
struct LossWithGradient {
  const void *prediction, *target, *weight;  // (N, M)  (N, M)  (N) or null
  void *loss, *dprediction;                  // one value  (N, M)
  int64_t N, M;
  LossKind kind;
  double delta;
  DType dtype;
};

const char* name_of(LossKind kind);

// f(d) is d^2, |d|, or d^2 / 2 up to |d| = delta and delta (|d| - delta / 2) from there on.
// Accumulated in double, in an order that depends on the shape only. The result has rank 0; the
// mean over no elements is NaN. weight may be undefined.
Tensor loss(LossKind kind, const Tensor& prediction, const Tensor& target,
            const Tensor& weight = {}, double delta = 1);
// The gradient with respect to prediction; dloss is the gradient of the scalar.
Tensor loss_backward(LossKind kind, const Tensor& dloss, const Tensor& prediction,
                     const Tensor& target, const Tensor& weight = {}, double delta = 1);

struct LossAndGradient {
  Tensor loss, dprediction;
};
// loss() and, for dloss = 1, loss_backward(): for training loops in which nothing comes behind the loss.
LossAndGradient loss_with_gradient(LossKind kind, const Tensor& prediction, const Tensor& target,
                                   const Tensor& weight = {}, double delta = 1);

}  // namespace imago::kernels
