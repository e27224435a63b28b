#include "autograd/gradcheck.h"

#include <cmath>
#include <span>
#include <vector>

#include "core/random.h"

namespace imago {
namespace {

double dot(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

Tensor moved(const Tensor& x, double a, const Tensor& d) {
  std::vector<double> y = x.to_vector<double>();
  const std::vector<double> direction = d.to_vector<double>();
  for (size_t i = 0; i < y.size(); ++i) y[i] += a * direction[i];
  return Tensor::from(std::span<const double>(y), x.shape(), x.device());
}

}  // namespace

double gradient_error(const Function& f, const std::vector<Tensor>& inputs, double h) {
  std::vector<Variable> leaves;
  for (const Tensor& t : inputs) {
    IMAGO_CHECK(t.dtype() == DType::f64, "gradient_error: inputs must be f64, got ", t.dtype());
    leaves.emplace_back(t, true);
  }
  const Variable y = f(leaves);
  const Tensor dy = randn(y.shape(), {.seed = 1, .stream = 77}, DType::f64);
  y.backward(dy);
  if (!std::isfinite(dot(dy, y.value()))) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor d =
        randn(inputs[i].shape(), {.seed = 2, .stream = static_cast<uint32_t>(i)}, DType::f64);
    const auto at = [&](double a) {
      std::vector<Variable> point;
      for (size_t j = 0; j < inputs.size(); ++j)
        point.emplace_back(i == j ? moved(inputs[j], a, d) : inputs[j]);
      return dot(dy, f(point).value());
    };
    IMAGO_CHECK(at(0) == dot(dy, y.value()), "gradient_error: the function is not deterministic");
    const double numeric = (at(h) - at(-h)) / (2 * h),
                 analytic = leaves[i].grad().defined() ? dot(leaves[i].grad(), d) : 0;
    const double gap = std::abs(numeric - analytic) / (std::abs(numeric) + 1e-2);
    worst = std::isfinite(gap) ? std::max(worst, gap) : INFINITY;
  }
  return worst;
}

}  // namespace imago
