#include "diffusion/noise_levels.h"

#include <algorithm>
#include <cmath>

namespace imago::diffusion {
namespace {

// I_x(a, a), the share of Beta(a, a) below x, by the continued fraction of the incomplete beta function (DLMF 8.17.22),
// evaluated from the front by Lentz's method. It converges for x below the mean, and by symmetry that is enough.
double share_below(double x, double a) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > 0.5) return 1 - share_below(1 - x, a);
  const double log_beta = 2 * std::lgamma(a) - std::lgamma(2 * a);
  const double front = std::exp(a * std::log(x) + a * std::log1p(-x) - log_beta) / a;
  double fraction = 1, numerator = 1, denominator = 0;
  for (int k = 1; k < 400; ++k) {
    const int m = k / 2;
    const double term = k % 2 ? -(a + m) * (2 * a + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                              : m * (a - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    denominator = 1 / (1 + term * denominator);
    numerator = 1 + term / numerator;
    fraction *= numerator * denominator;
    if (std::abs(numerator * denominator - 1) < 1e-16) break;
  }
  return front / fraction;
}

// The x below which the share p lies, by halving.
double quantile(double p, double a) {
  double low = 0, high = 1;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (share_below(middle, a) < p ? low : high) = middle;
  }
  return high;
}

}  // namespace

std::vector<double> linspace(double a, double b, int64_t n) {
  std::vector<double> values;
  const double step = n > 1 ? (b - a) / static_cast<double>(n - 1) : 0;
  for (int64_t i = 0; i < n; ++i)
    values.push_back(i > 0 && i == n - 1 ? b : a + static_cast<double>(i) * step);
  return values;
}

std::vector<double> spread_timesteps(int64_t n, int64_t N, TimestepSpacing spacing, int64_t offset, bool rounded) {
  std::vector<double> steps;
  const int64_t stride = N / n;
  const double last = static_cast<double>(N - 1), ratio = static_cast<double>(N) / static_cast<double>(n);
  switch (spacing) {
    case TimestepSpacing::leading:
      for (int64_t i = n - 1; i >= 0; --i) steps.push_back(static_cast<double>(i * stride + offset));
      break;
    case TimestepSpacing::linspace:
      steps = linspace(0, last, n);
      std::reverse(steps.begin(), steps.end());
      for (double& t : steps) t = rounded ? std::nearbyint(t) : static_cast<double>(static_cast<float>(t));
      break;
    case TimestepSpacing::trailing:
      for (int64_t i = 0; i < n; ++i)
        steps.push_back(std::nearbyint(static_cast<double>(N) - static_cast<double>(i) * ratio) - 1);
      break;
  }
  return steps;
}

std::vector<float> sigma_table(std::span<const float> alphas_cumprod) {
  std::vector<float> sigmas;
  for (const float a : alphas_cumprod) sigmas.push_back(std::sqrt((1 - a) / a));
  return sigmas;
}

double sigma_at(std::span<const float> table, double t) {
  const double last = static_cast<double>(table.size() - 1), at = std::clamp(t, 0.0, last);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, table.size() - 1);
  return table[low] + (at - static_cast<double>(low)) * (static_cast<double>(table[high]) - table[low]);
}

double timestep_of(std::span<const float> table, double sigma) {
  const double wanted = std::log(std::max(sigma, 1e-10));
  const auto log_of = [&](size_t t) { return static_cast<double>(std::log(table[t])); };
  size_t low = 0;
  while (low + 2 < table.size() && log_of(low + 1) <= wanted) ++low;
  if (table.size() < 2) return 0;
  const double from = log_of(low), to = log_of(low + 1);
  return static_cast<double>(low) + std::clamp((wanted - from) / (to - from), 0.0, 1.0);
}

std::vector<double> karras_sigmas(double max, double min, int64_t n, double rho) {
  std::vector<double> sigmas = linspace(0, 1, n);
  const double from = std::pow(max, 1 / rho), to = std::pow(min, 1 / rho);
  for (double& s : sigmas) s = std::pow(from + s * (to - from), rho);
  return sigmas;
}

std::vector<double> exponential_sigmas(double max, double min, int64_t n) {
  std::vector<double> sigmas = linspace(std::log(max), std::log(min), n);
  for (double& s : sigmas) s = std::exp(s);
  return sigmas;
}

std::vector<double> beta_sigmas(double max, double min, int64_t n) {
  std::vector<double> sigmas = linspace(1, 0, n);
  for (double& s : sigmas) s = min + quantile(s, 0.6) * (max - min);
  return sigmas;
}

std::vector<double> configured_sigmas(const SchedulerConfig& c, double max, double min, int64_t n) {
  if (c.use_karras_sigmas) return karras_sigmas(max, min, n);
  if (c.use_exponential_sigmas) return exponential_sigmas(max, min, n);
  if (c.use_beta_sigmas) return beta_sigmas(max, min, n);
  return {};
}

double shifted(double sigma, double shift) { return shift * sigma / (1 + (shift - 1) * sigma); }

}  // namespace imago::diffusion
