#include "kernels/permute.h"

#include "autograd/functions.h"

namespace imago {

Variable permute(const Variable& x, std::initializer_list<int> order) {
  const std::span<const int> axes(order.begin(), order.size());
  return record("permute", kernels::permute(x.value(), axes), {x},
                [back = kernels::inverse_order(axes)](const Tensor& dy, Needs) -> Grads {
                  return {kernels::permute(dy, back)};
                });
}

}  // namespace imago
