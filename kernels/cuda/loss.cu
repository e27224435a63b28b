// Regression losses: prediction and target are read once, by one kernel that sums, writes the gradient, or both.
#include "kernels/loss.h"

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/sums.cuh"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename A, typename Params, typename F>
void visit_loss(const Params& p, F&& f) {
  switch (p.kind) {
    case LossKind::mse: return f(SquaredLoss{});
    case LossKind::l1: return f(AbsoluteLoss{});
    case LossKind::huber: return f(HuberLoss<A>{static_cast<A>(p.delta)});
  }
}

template <typename T, typename Loss>
struct Samples {
  using A = Accumulator<T>;
  const T *prediction, *target, *weight;  // (N, M)  (N, M)  (N) or null
  Loss loss;
  Divisor per_sample;

  template <typename Params>
  Samples(const Params& p, Loss loss)
      : prediction(static_cast<const T*>(p.prediction)),
        target(static_cast<const T*>(p.target)),
        weight(static_cast<const T*>(p.weight)),
        loss(loss),
        per_sample(std::max<int64_t>(1, p.M)) {}

  __device__ A weight_of(int64_t i) const { return weight ? A(weight[per_sample.divide(i).quotient]) : A(1); }
  // A pack has one weight.
  template <typename Params>
  static int64_t width(const Params& p) { return p.weight ? p.M : 0; }
};

// With `dprediction`, the gradient is written on the way.
template <typename T, typename Loss>
struct Terms : Samples<T, Loss> {
  using A = Accumulator<T>;
  T* dprediction;  // (N, M) or null
  A factor;        // 1 / (N M)

  template <int N>
  __device__ A term(int64_t, int64_t i) const {
    const Pack<T, N> x = load_pack<N>(this->prediction + i), t = load_pack<N>(this->target + i);
    const A w = this->weight_of(i);
    Pack<T, N> gradient;
    A sum = 0;
    for (int k = 0; k < N; ++k) {
      const A d = A(x.v[k]) - A(t.v[k]);
      sum += this->loss.value(d);
      gradient.v[k] = T(factor * w * this->loss.derivative(d));
    }
    if (dprediction) store_pack(dprediction + i, gradient);
    return w * sum;
  }
};

template <typename T, typename Loss>
struct Gradient : Samples<T, Loss> {
  using A = Accumulator<T>;
  const T* dloss;
  T* dprediction;  // (N, M)
  A factor;        // 1 / (N M)

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<T, N> x = load_pack<N>(this->prediction + i), t = load_pack<N>(this->target + i);
    const A slope = A(*dloss) * factor * this->weight_of(i);
    Pack<T, N> gradient;
    for (int k = 0; k < N; ++k) gradient.v[k] = T(slope * this->loss.derivative(A(x.v[k]) - A(t.v[k])));
    store_pack(dprediction + i, gradient);
  }
};

template <typename Params>
void sum_terms(const Params& p, void* dprediction, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, name_of(p.kind), [&]<typename T>() {
    using A = Accumulator<T>;
    visit_loss<A>(p, [&]<typename Loss>(Loss loss) {
      const double mean = 1 / static_cast<double>(p.N * p.M);
      const Terms<T, Loss> body{{p, loss}, static_cast<T*>(dprediction), static_cast<A>(mean)};
      row_sums<T>(1, p.N * p.M, body.width(p), stream, body, StoreScaled<T>{static_cast<T*>(p.loss), mean},
                  body.prediction, body.target, body.dprediction);
    });
  });
}

}  // namespace

void loss_forward(const LossForward& p, Stream stream) { sum_terms(p, nullptr, stream); }

void loss_with_gradient(const LossWithGradient& p, Stream stream) { sum_terms(p, p.dprediction, stream); }

void loss_backward(const LossBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, name_of(p.kind), [&]<typename T>() {
    using A = Accumulator<T>;
    visit_loss<A>(p, [&]<typename Loss>(Loss loss) {
      const A mean = static_cast<A>(1 / static_cast<double>(p.N * p.M));
      const Gradient<T, Loss> body{{p, loss}, static_cast<const T*>(p.dloss), static_cast<T*>(p.dprediction), mean};
      for_each_pack_in_rows<T>(p.N * p.M, body.width(p), stream, body, body.prediction, body.target, body.dprediction);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
