#include "kernels/adamw.h"

#include <cmath>

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

void adamw(Tensor& w, const Tensor& g, Tensor& m, Tensor& v, Tensor& ema, const AdamWArguments& a) {
  check_like("adamw", "g", g, w);
  check_like("adamw", "m", m, w);
  check_like("adamw", "v", v, w);
  if (ema.defined()) check_like("adamw", "ema", ema, w);
  IMAGO_CHECK(!a.shadow.defined() || (a.shadow.shape() == w.shape() && a.shadow.dtype() == DType::bf16),
              "adamw: shadow must be ", w.shape(), " bf16, got ", a.shadow.shape(), " ", a.shadow.dtype());
  check_same_device("adamw", w, {{"shadow", a.shadow}});
  IMAGO_CHECK(a.step >= 1, "adamw: step must be at least 1, got ", a.step);
  for (const Tensor* t : std::initializer_list<const Tensor*>{&w, &m, &v, &ema, &a.shadow}) t->bump_version();
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
