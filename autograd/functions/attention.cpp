#include "kernels/attention.h"

#include "autograd/functions.h"

namespace imago {

Variable attention(const Variable& q, const Variable& k, const Variable& v, int64_t heads) {
  auto [y, lse] = kernels::attention(q.value(), k.value(), v.value(), heads);
  auto backward = [q = Saved(q), k = Saved(k), v = Saved(v), lse = Saved(lse)](
                      const Tensor& dy, Needs need) -> Grads {
    auto [dq, dk, dv] = kernels::attention_backward(dy, q, k, v, lse, need);
    return {dq, dk, dv};
  };
  return record("attention", y, {q, k, v}, backward);
}

}  // namespace imago
