#include "kernels/dropout.h"

#include "autograd/functions.h"

namespace imago {

Variable dropout(const Variable& x, double p, const RandomKey& key) {
  return record("dropout", kernels::dropout(x.value(), p, key), {x},
                [p, key](const Tensor& dy, Needs) -> Grads { return {kernels::dropout(dy, p, key)}; });
}

}  // namespace imago
