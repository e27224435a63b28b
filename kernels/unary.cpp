#include "kernels/unary.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

const char* name_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::silu: return "silu";
    case UnaryOp::gelu: return "gelu";
    case UnaryOp::relu: return "relu";
    case UnaryOp::sigmoid: return "sigmoid";
    case UnaryOp::tanh: return "tanh";
    case UnaryOp::mish: return "mish";
    case UnaryOp::exp: return "exp";
    case UnaryOp::sqrt: return "sqrt";
  }
  return "?";
}

Tensor unary(UnaryOp op, const Tensor& x) {
  IMAGO_CHECK(x.defined() && is_floating(x.dtype()), name_of(op), ": x must be floating point, got ",
              x.defined() ? name_of(x.dtype()) : "nothing");
  Tensor y = Tensor::empty_like(x);
  const UnaryForward p{.x = x.raw(), .y = y.raw(), .n = x.numel(), .op = op, .dtype = x.dtype()};
  backend_for(x.device()).unary_forward(p, current_stream(x.device()));
  return y;
}

Tensor unary_backward(UnaryOp op, const Tensor& dy, const Tensor& x) {
  IMAGO_CHECK(dy.shape() == x.shape() && dy.dtype() == x.dtype(), name_of(op), "_backward: dy must be ", x.shape(), " ",
              x.dtype(), ", got ", dy.shape(), " ", dy.dtype());
  check_same_device(name_of(op), x, {{"dy", dy}});
  Tensor dx = Tensor::empty_like(x);
  const UnaryBackward p{
      .dy = dy.raw(), .x = x.raw(), .dx = dx.raw(), .n = x.numel(), .op = op, .dtype = x.dtype(),
  };
  backend_for(x.device()).unary_backward(p, current_stream(x.device()));
  return dx;
}

}  // namespace imago::kernels
