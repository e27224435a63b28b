#include "kernels/ema.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

void ema(Tensor& ema, const Tensor& w, double decay) {
  IMAGO_CHECK(ema.shape() == w.shape() && ema.dtype() == w.dtype(), "ema: ema must be ", w.shape(),
              " ", w.dtype(), ", got ", ema.shape(), " ", ema.dtype());
  check_same_device("ema", w, {{"ema", ema}});
  ema.bump_version();
  const Ema p{.w = w.raw(), .ema = ema.raw(), .n = w.numel(), .decay = decay, .dtype = w.dtype()};
  backend_for(w.device()).ema(p, current_stream(w.device()));
}

}  // namespace imago::kernels
