#include "kernels/embedding.h"

#include "autograd/functions.h"

namespace imago {

Variable embedding(const Tensor& ids, const Variable& weight) {
  auto backward = [ids = Saved(ids), V = weight.dim(0)](const Tensor& dy, Needs) -> Grads {
    return {kernels::embedding_backward(dy, ids, V)};
  };
  return record("embedding", kernels::embedding(ids, weight.value()), {weight}, backward);
}

}  // namespace imago
