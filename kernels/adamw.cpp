#include "kernels/adamw.h"

#include <cmath>

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

AdamWNumbers numbers_of(const AdamWArguments& a) {
  const double k = static_cast<double>(a.step);
  return {.keep = a.decoupled ? 1 - a.lr * a.weight_decay : 1,
          .rate = a.lr / (1 - std::pow(a.beta1, k)),
          .root = 1 / std::sqrt(1 - std::pow(a.beta2, k)),
          .ema_rest = 1 - a.ema_decay};
}

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
      .beta1 = a.beta1,
      .beta2 = a.beta2,
      .eps = a.eps,
      .penalty = a.decoupled ? 0 : a.weight_decay,
      .gradient_scale = a.gradient_scale,
      .update = {.numbers = numbers_of(a)},
      .update_at = a.update_at,
      .clip = a.clip.checked("adamw"),
      .zero_gradient = a.zero_gradient,
      .dtype = w.dtype(),
  };
  backend_for(w.device()).adamw(p, current_stream(w.device()));
}

}  // namespace imago::kernels
