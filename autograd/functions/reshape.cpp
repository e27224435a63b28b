#include "autograd/functions.h"

namespace imago {
namespace {

Variable reshaped(const Variable& x, Tensor y) {
  return record(
      "reshape", std::move(y), {x},
      [shape = x.shape()](const Tensor& dy, Needs) -> Grads { return {dy.reshape(shape)}; });
}

}  // namespace

// A view: the result shares x's memory.
Variable reshape(const Variable& x, const Shape& shape) {
  return reshaped(x, x.value().reshape(shape));
}
Variable reshape(const Variable& x, std::initializer_list<int64_t> dims) {
  return reshaped(x, x.value().reshape(dims));
}

}  // namespace imago
