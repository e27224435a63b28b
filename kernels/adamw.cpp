#include "kernels/adamw.h"

#include <cmath>

#include "kernels/backend.h"

namespace imago::kernels {
namespace {

void check_like(const Tensor& w, const Tensor& t, const char* name) {
  IMAGO_CHECK(t.shape() == w.shape() && t.dtype() == w.dtype(), "adamw: ", name, " must be ",
              w.shape(), " ", w.dtype(), ", got ", t.shape(), " ", t.dtype());
}

}  // namespace

void adamw(Tensor& w, const Tensor& g, Tensor& m, Tensor& v, Tensor& ema, const AdamWArguments& a) {
  check_like(w, g, "g");
  check_like(w, m, "m");
  check_like(w, v, "v");
  if (ema.defined()) check_like(w, ema, "ema");
  IMAGO_CHECK(!a.shadow.defined() || (a.shadow.shape() == w.shape() && a.shadow.dtype() == DType::bf16),
              "adamw: shadow must be ", w.shape(), " bf16, got ", a.shadow.shape(), " ", a.shadow.dtype());
  IMAGO_CHECK(a.step >= 1, "adamw: step must be at least 1, got ", a.step);
  for (const Tensor* t : {&w, &m, &v, &ema}) t->bump_version();
  a.shadow.bump_version();
  if (a.zero_gradient) g.bump_version();
  const AdamW p{
      .g = g.raw(),
      .w = w.raw(),
      .m = m.raw(),
      .v = v.raw(),
      .ema = ema.raw(),
      .shadow = static_cast<bfloat16*>(a.shadow.raw()),
      .n = w.numel(),
      .lr = a.lr,
      .beta1 = a.beta1,
      .beta2 = a.beta2,
      .eps = a.eps,
      .weight_decay = a.weight_decay,
      .bias1 = 1 - std::pow(a.beta1, static_cast<double>(a.step)),
      .bias2 = 1 - std::pow(a.beta2, static_cast<double>(a.step)),
      .gradient_scale = a.gradient_scale,
      .ema_decay = a.ema_decay,
      .clip = a.clip.checked("adamw"),
      .decoupled = a.decoupled,
      .zero_gradient = a.zero_gradient,
      .dtype = w.dtype(),
  };
  backend_for(w.device()).adamw(p, current_stream(w.device()));
}

}  // namespace imago::kernels
