#include "kernels/sgd.h"

#include "kernels/backend.h"

namespace imago::kernels {

void sgd(Tensor& w, const Tensor& g, Tensor& momentum_buffer, const SgdArguments& a) {
  IMAGO_CHECK(g.shape() == w.shape() && g.dtype() == w.dtype(), "sgd: g must be ", w.shape(), " ",
              w.dtype(), ", got ", g.shape(), " ", g.dtype());
  const Tensor& b = momentum_buffer;
  IMAGO_CHECK(a.momentum == 0 || (b.defined() && b.shape() == w.shape() && b.dtype() == w.dtype()),
              "sgd: momentum_buffer must be ", w.shape(), " ", w.dtype(), ", got ", b.shape(), " ",
              b.dtype());
  w.bump_version();
  if (a.momentum != 0) b.bump_version();
  const Sgd p{
      .g = g.raw(),
      .w = w.raw(),
      .momentum_buffer = a.momentum != 0 ? b.raw() : nullptr,
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
