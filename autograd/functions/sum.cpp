#include "kernels/sum.h"

#include "autograd/functions.h"

namespace imago {
namespace {

Variable scaled_sum(const char* op, const Variable& x, std::span<const int> axes, bool keep_dims, double factor) {
  auto backward = [shape = x.shape(), axes = std::vector(axes.begin(), axes.end()), factor](const Tensor& dy,
                                                                                            Needs) -> Grads {
    return {kernels::sum_backward(dy, shape, axes, factor)};
  };
  return record(op, kernels::sum(x.value(), axes, keep_dims, factor), {x}, backward);
}

}  // namespace

Variable sum(const Variable& x) { return sum(x, kernels::all_axes(x.shape())); }
Variable sum(const Variable& x, std::span<const int> axes, bool keep_dims) {
  return scaled_sum("sum", x, axes, keep_dims, 1);
}

Variable mean(const Variable& x) { return mean(x, kernels::all_axes(x.shape())); }
Variable mean(const Variable& x, std::span<const int> axes, bool keep_dims) {
  return scaled_sum("mean", x, axes, keep_dims, kernels::mean_factor(x.shape(), axes));
}

}  // namespace imago
