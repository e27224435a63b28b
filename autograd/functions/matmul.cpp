#include "kernels/matmul.h"

#include "autograd/functions.h"

namespace imago {

Variable matmul(const Variable& a, const Variable& b, const MatmulOptions& options) {
  auto backward = [a = Saved(a), b = Saved(b), options](const Tensor& dy, Needs need) -> Grads {
    auto [da, db] = kernels::matmul_backward(dy, a, b, options, need);
    return {da, db};
  };
  return record("matmul", kernels::matmul(a.value(), b.value(), options), {a, b}, backward);
}

}  // namespace imago
