#include "kernels/ema.h"

#include "kernels/backend.h"
#include "kernels/check_like.h"

namespace imago::kernels {

void ema(Tensor& ema, const Tensor& w, double decay) {
  check_like("ema", "ema", ema, w);
  ema.bump_version();
  const Ema p{.w = w.raw(), .ema = ema.raw(), .n = w.numel(), .decay = decay, .dtype = w.dtype()};
  backend_for(w.device()).ema(p, current_stream(w.device()));
}

}  // namespace imago::kernels
