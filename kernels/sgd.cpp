#include "kernels/sgd.h"

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

void sgd(Tensor& w, const Tensor& g, Tensor& momentum_buffer, const SgdArguments& a) {
  const bool has_momentum = a.momentum != 0;
  check_like("sgd", "g", g, w);
  if (has_momentum) check_like("sgd", "momentum_buffer", momentum_buffer, w);
  w.bump_version();
  if (has_momentum) momentum_buffer.bump_version();
  const Sgd p{
      .g = g.raw(),
      .w = w.raw(),
      .momentum_buffer = has_momentum ? momentum_buffer.raw() : nullptr,
      .n = w.numel(),
      .lr = a.lr,
      .momentum = a.momentum,
      .weight_decay = a.weight_decay,
      .gradient_scale = a.gradient_scale,
      .clip = a.clip.checked("sgd"),
      .nesterov = a.nesterov,
      .dtype = w.dtype(),
  };
  backend_for(w.device()).sgd(p, current_stream(w.device()));
}

}  // namespace imago::kernels
