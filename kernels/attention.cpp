#include "kernels/attention.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads) {
  IMAGO_CHECK(q.rank() == 3, "attention: q must be (N, T, C), got ", q.shape());
  const int64_t N = q.dim(0), T = q.dim(1), C = q.dim(2);
  IMAGO_CHECK(heads > 0 && C % heads == 0, "attention: ", C, " channels do not split into ", heads,
              " heads");
  IMAGO_CHECK(k.rank() == 3 && k.dim(0) == N && k.dim(2) == C && k.dim(1) > 0,
              "attention: k must be (", N, ", S > 0, ", C, "), got ", k.shape());
  IMAGO_CHECK(v.shape() == k.shape(), "attention: v must be ", k.shape(), ", got ", v.shape());
  IMAGO_CHECK(k.dtype() == q.dtype() && v.dtype() == q.dtype(), "attention: k and v must be ",
              q.dtype(), ", got ", k.dtype(), " and ", v.dtype());
  check_same_device("attention", q, {{"k", k}, {"v", v}});

  AttentionResult out{
      .y = Tensor::empty_like(q),
      .lse = Tensor({N, heads, T}, accumulator(q.dtype()), q.device()),
  };
  const AttentionForward p{
      .q = q.raw(),
      .k = k.raw(),
      .v = v.raw(),
      .y = out.y.raw(),
      .lse = out.lse.raw(),
      .N = N,
      .T = T,
      .S = k.dim(1),
      .C = C,
      .heads = heads,
      .dtype = q.dtype(),
  };
  if (q.numel()) backend_for(q.device()).attention_forward(p, current_stream(q.device()));
  return out;
}

AttentionGrads attention_backward(const Tensor& dy, const Tensor& q, const Tensor& k,
                                  const Tensor& v, const Tensor& lse, std::bitset<32> want) {
  IMAGO_CHECK(dy.shape() == q.shape(), "attention_backward: dy must be ", q.shape(), ", got ",
              dy.shape());
  check_same_device("attention_backward", q, {{"dy", dy}, {"k", k}, {"v", v}, {"lse", lse}});
  const auto gradient_of = [&](const Tensor& x) {
    return q.numel() ? Tensor::empty_like(x) : Tensor::zeros_like(x);
  };
  AttentionGrads g;
  if (want[0]) g.dq = gradient_of(q);
  if (want[1]) g.dk = gradient_of(k);
  if (want[2]) g.dv = gradient_of(v);
  const AttentionBackward p{
      .dy = dy.raw(),
      .q = q.raw(),
      .k = k.raw(),
      .v = v.raw(),
      .lse = lse.raw(),
      .dq = g.dq.raw(),
      .dk = g.dk.raw(),
      .dv = g.dv.raw(),
      .N = q.dim(0),
      .T = q.dim(1),
      .S = k.dim(1),
      .C = q.dim(2),
      .heads = lse.dim(1),
      .dtype = q.dtype(),
  };
  if (q.numel()) backend_for(q.device()).attention_backward(p, current_stream(q.device()));
  return g;
}

}  // namespace imago::kernels
