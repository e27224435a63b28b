// Adam, Kingma & Ba 2015 (arXiv:1412.6980), and AdamW, Loshchilov & Hutter 2019 (arXiv:1711.05101),
// over a flat buffer, with clipping, the moving average of the parameters, their bf16 copy and the zeroing of the
// gradients in the same pass.
#pragma once

#include "kernels/clip.h"

namespace imago::kernels {

// What differs from update to update.
struct AdamWNumbers {
  double keep;      // 1 - lr weight_decay if decoupled, else 1
  double rate;      // lr / (1 - beta1^k)
  double root;      // 1 / sqrt(1 - beta2^k)
  double ema_rest;  // 1 - ema_decay
};
struct AdamWUpdate {
  AdamWNumbers numbers;
  uint32_t wanted = 1;  // 0: all is left as it is, but gradients are zeroed if that is asked for
};

struct AdamW {
  void* g;                // (n), written only where it is zeroed
  void *w, *m, *v, *ema;  // (n) each; ema is null where none is kept
  bfloat16* shadow;       // (n), or null
  int64_t n;
  double beta1, beta2, eps, penalty;  // penalty: weight_decay if not decoupled, else 0
  double gradient_scale;
  AdamWUpdate update;
  const AdamWUpdate* update_at;  // in the device's memory, in place of `update`, unless null
  NormClip clip;
  bool zero_gradient;
  DType dtype;
};

struct AdamWArguments {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = true;      // weight decay of AdamW; false: of Adam, an L2 penalty
  int64_t step = 1;           // k, the number of this update; the first is 1
  double gradient_scale = 1;  // gradients are multiplied by it first: clipping
  double ema_decay = 0;
  NormClipArguments clip = {};  // gradients are multiplied by its clip_factor() too
  Tensor shadow = {};           // bf16: becomes the new w, rounded; undefined: none
  bool zero_gradient = false;   // g is 0 afterwards, ready for the next step's sums
  // In the device's memory: the numbers of this update, in place of those that lr, step and ema_decay make, and whether
  // it is to happen. See kernels/finish_step.h.
  const AdamWUpdate* update_at = nullptr;
};
AdamWNumbers numbers_of(const AdamWArguments& arguments);

// With g' = gradient_scale * clip_factor * g (+ weight_decay * w if not decoupled), in place:
//   m = beta1 m + (1 - beta1) g',  v = beta2 v + (1 - beta2) g'^2
//   mhat = m / (1 - beta1^k),  vhat = v / (1 - beta2^k)
//   w = w (1 - lr weight_decay if decoupled) - lr mhat / (sqrt(vhat) + eps)
//   ema = ema_decay ema + (1 - ema_decay) w, where ema is defined
// All tensors have the shape of w, and all but the shadow its type, f32 or f64.
void adamw(Tensor& w, const Tensor& g, Tensor& m, Tensor& v, Tensor& ema,
           const AdamWArguments& arguments);

}  // namespace imago::kernels
