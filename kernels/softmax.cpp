#include "kernels/softmax.h"

#include "kernels/backend.h"

namespace imago::kernels {

Tensor softmax(const Tensor& x) {
  IMAGO_CHECK(x.rank() >= 1, "softmax: x must be (..., C), got ", x.shape());
  Tensor y = Tensor::empty_like(x);
  if (!x.numel()) return y;
  const int64_t C = x.dim(-1);
  const SoftmaxForward p{
      .x = x.raw(), .y = y.raw(), .M = x.numel() / C, .C = C, .dtype = x.dtype()};
  backend_for(x.device()).softmax_forward(p, current_stream(x.device()));
  return y;
}

Tensor softmax_backward(const Tensor& dy, const Tensor& y) {
  IMAGO_CHECK(dy.shape() == y.shape(), "softmax_backward: dy must be ", y.shape(), ", got ",
              dy.shape());
  Tensor dx = Tensor::empty_like(y);
  if (!y.numel()) return dx;
  const int64_t C = y.dim(-1);
  const SoftmaxBackward p{
      .dy = dy.raw(), .y = y.raw(), .dx = dx.raw(), .M = y.numel() / C, .C = C, .dtype = y.dtype()};
  backend_for(y.device()).softmax_backward(p, current_stream(y.device()));
  return dx;
}

}  // namespace imago::kernels
