// Regression losses. The elements are cut into chunks by count alone; each chunk leaves one partial sum in double.
#include "kernels/loss.h"

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sums.h"
#include "kernels/functors.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of one task

template <typename T, typename Params, typename F>
void visit_loss(const Params& p, F&& f) {
  switch (p.kind) {
    case LossKind::mse: return f(SquaredLoss{});
    case LossKind::l1: return f(AbsoluteLoss{});
    case LossKind::huber: return f(HuberLoss<T>{static_cast<T>(p.delta)});
  }
}

// f(begin, end, weight) for each part of [begin, end) that lies in one sample; all of it at once without weights.
template <typename T, typename F>
void for_each_sample(int64_t begin, int64_t end, int64_t M, const T* weight, F f) {
  if (!weight) return f(begin, end, T(1));
  for (int64_t i = begin; i < end;) {
    const int64_t n = i / M, stop = std::min(end, (n + 1) * M);
    f(i, stop, weight[n]);
    i = stop;
  }
}

template <typename T, typename Loss>
void forward(const LossForward& p, Loss loss) {
  const int64_t n = p.N * p.M;
  const Scratch<double> buffer((n + kGrain - 1) / kGrain);
  double* partial = buffer.get();  // one per chunk
  parallel_chunks(n, kGrain, [=](int64_t begin, int64_t end) {
    const T* prediction = static_cast<const T*>(p.prediction);
    const T* target = static_cast<const T*>(p.target);
    double total = 0;
    for_each_sample(begin, end, p.M, static_cast<const T*>(p.weight), [&](int64_t from, int64_t to, T weight) {
      total += weight * sum_of<T>(to - from, [=]<typename V>(int64_t i) {
        return loss.value(load_as<V>(prediction + from + i) - load_as<V>(target + from + i));
      });
    });
    partial[begin / kGrain] = total;
  });
  double total = 0;
  for (int64_t k = 0; k * kGrain < n; ++k) total += partial[k];
  *static_cast<T*>(p.loss) = static_cast<T>(total / static_cast<double>(n));
}

// The chunk's prediction and target are still in the cache when the gradient needs them.
template <typename T, typename Loss>
void forward_and_backward(const LossWithGradient& p, Loss loss) {
  const int64_t n = p.N * p.M;
  const double factor = 1 / static_cast<double>(n);
  const Scratch<double> buffer((n + kGrain - 1) / kGrain);
  double* partial = buffer.get();  // one per chunk
  parallel_chunks(n, kGrain, [=](int64_t begin, int64_t end) {
    const T* prediction = static_cast<const T*>(p.prediction);
    const T* target = static_cast<const T*>(p.target);
    T* dprediction = static_cast<T*>(p.dprediction);
    double total = 0;
    for_each_sample(begin, end, p.M, static_cast<const T*>(p.weight), [&](int64_t from, int64_t to, T weight) {
      total += weight * sum_of<T>(to - from, [=]<typename V>(int64_t i) {
        return loss.value(load_as<V>(prediction + from + i) - load_as<V>(target + from + i));
      });
      const T slope = static_cast<T>(factor * weight);
      for (int64_t i = from; i < to; ++i) dprediction[i] = slope * loss.derivative(prediction[i] - target[i]);
    });
    partial[begin / kGrain] = total;
  });
  double total = 0;
  for (int64_t k = 0; k * kGrain < n; ++k) total += partial[k];
  *static_cast<T*>(p.loss) = static_cast<T>(total / static_cast<double>(n));
}

template <typename T, typename Loss>
void backward(const LossBackward& p, Loss loss) {
  const int64_t n = p.N * p.M;
  const double factor = *static_cast<const T*>(p.dloss) / static_cast<double>(n);
  parallel_chunks(n, kGrain, [=](int64_t begin, int64_t end) {
    const T* prediction = static_cast<const T*>(p.prediction);
    const T* target = static_cast<const T*>(p.target);
    T* dprediction = static_cast<T*>(p.dprediction);
    for_each_sample(begin, end, p.M, static_cast<const T*>(p.weight), [=](int64_t from, int64_t to, T weight) {
      const T slope = static_cast<T>(factor * weight);
      for (int64_t i = from; i < to; ++i) dprediction[i] = slope * loss.derivative(prediction[i] - target[i]);
    });
  });
}

}  // namespace

void loss_forward(const LossForward& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.kind), [&]<typename T>() {
    visit_loss<T>(p, [&](auto loss) { forward<T>(p, loss); });
  });
}

void loss_backward(const LossBackward& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.kind), [&]<typename T>() {
    visit_loss<T>(p, [&](auto loss) { backward<T>(p, loss); });
  });
}

void loss_with_gradient(const LossWithGradient& p, Stream) {
  visit<float, double>(p.dtype, name_of(p.kind), [&]<typename T>() {
    visit_loss<T>(p, [&](auto loss) { forward_and_backward<T>(p, loss); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
