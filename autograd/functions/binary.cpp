#include "kernels/binary.h"

#include "autograd/functions.h"
#include "kernels/scale.h"
#include "kernels/sum.h"

namespace imago {
namespace {

using kernels::scale;
using kernels::sum_to;

// da and db from dy: the derivative in the shape of y, added up over the repeated axes.
Tensor left_gradient(BinaryOp op, const Tensor& dy, const Saved& b, const Shape& shape) {
  switch (op) {
    case BinaryOp::add:
    case BinaryOp::sub: return sum_to(dy, shape);
    case BinaryOp::mul:
    case BinaryOp::div: return sum_to(kernels::binary(op, dy, b), shape);
  }
  return {};
}

Tensor right_gradient(BinaryOp op, const Tensor& dy, const Saved& a, const Saved& b, const Shape& shape) {
  switch (op) {
    case BinaryOp::add: return sum_to(dy, shape);
    case BinaryOp::sub: return scale(sum_to(dy, shape), -1);
    case BinaryOp::mul: return sum_to(kernels::binary(BinaryOp::mul, dy, a), shape);
    case BinaryOp::div: {  // d(a / b) / db = -(a / b) / b; b^2 would overflow or vanish first
      const Tensor slope = kernels::binary(BinaryOp::div, kernels::binary(BinaryOp::div, a, b), b);
      return scale(sum_to(kernels::binary(BinaryOp::mul, dy, slope), shape), -1);
    }
  }
  return {};
}

}  // namespace

Variable binary(BinaryOp op, const Variable& a, const Variable& b) {
  const Tensor y = kernels::binary(op, a.value(), b.value());
  const bool linear = op == BinaryOp::add || op == BinaryOp::sub;  // then nothing has to be kept
  const bool keep_a = !linear && b.requires_grad();
  const bool keep_b = !linear && (a.requires_grad() || op == BinaryOp::div);
  auto backward = [op, a = keep_a ? Saved(a) : Saved(), b = keep_b ? Saved(b) : Saved(), a_shape = a.shape(),
                   b_shape = b.shape()](const Tensor& dy, Needs need) -> Grads {
    return {need[0] ? left_gradient(op, dy, b, a_shape) : Tensor(),
            need[1] ? right_gradient(op, dy, a, b, b_shape) : Tensor()};
  };
  return record(kernels::name_of(op), y, {a, b}, backward);
}

}  // namespace imago
