#include "diffusion/beta_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"

namespace imago::diffusion {
namespace {

// From both ends to the middle, in float.
std::vector<float> linspace(double from, double to, int64_t n) {
  const float a = static_cast<float>(from), b = static_cast<float>(to);
  const float step = n > 1 ? (b - a) / static_cast<float>(n - 1) : 0;
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    values[static_cast<size_t>(i)] = i < n / 2 || n == 1 ? a + step * static_cast<float>(i)
                                                         : b - step * static_cast<float>(n - 1 - i);
  return values;
}

// beta_i = min(1 - A((i + 1) / n) / A(i / n), 0.999) for a given alpha_bar A: Nichol & Dhariwal
// 2021, equation 17.
template <typename F>
std::vector<float> from_alpha_bar(int64_t n, F alpha_bar) {
  std::vector<float> betas(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double t0 = static_cast<double>(i) / static_cast<double>(n);
    const double t1 = static_cast<double>(i + 1) / static_cast<double>(n);
    betas[static_cast<size_t>(i)] =
        static_cast<float>(std::min(1 - alpha_bar(t1) / alpha_bar(t0), 0.999));
  }
  return betas;
}

double cosine_alpha_bar(double t) {
  const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
  return c * c;
}

double laplace_alpha_bar(double t) {
  const double lambda =
      -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::abs(0.5 - t) + 1e-6);
  const double snr = std::exp(lambda);
  return std::sqrt(snr / (1 + snr));
}

}  // namespace

std::vector<float> make_betas(BetaSchedule schedule, double beta_start, double beta_end,
                              int64_t steps) {
  IMAGO_CHECK(steps >= 1, "make_betas: steps must be at least 1, got ", steps);
  IMAGO_CHECK(0 < beta_start && beta_start < 1 && 0 < beta_end && beta_end < 1,
              "make_betas: beta_start and beta_end must be in (0, 1), got ", beta_start, " and ",
              beta_end);
  switch (schedule) {
    case BetaSchedule::linear:
      return linspace(beta_start, beta_end, steps);
    case BetaSchedule::scaled_linear: {
      std::vector<float> betas = linspace(std::sqrt(beta_start), std::sqrt(beta_end), steps);
      for (float& beta : betas) beta *= beta;
      return betas;
    }
    case BetaSchedule::squaredcos_cap_v2:
      return from_alpha_bar(steps, cosine_alpha_bar);
    case BetaSchedule::sigmoid: {
      std::vector<float> betas = linspace(-6, 6, steps);
      const float range = static_cast<float>(beta_end - beta_start),
                  low = static_cast<float>(beta_start);
      for (float& beta : betas) beta = 1 / (1 + std::exp(-beta)) * range + low;
      return betas;
    }
    case BetaSchedule::laplace:
      return from_alpha_bar(steps, laplace_alpha_bar);
    case BetaSchedule::exp:
      return from_alpha_bar(steps, [](double t) { return std::exp(-12 * t); });
  }
  fail("make_betas: there is no schedule number ", static_cast<int>(schedule));
}

std::vector<float> alphas_cumprod(const std::vector<float>& betas) {
  std::vector<float> alpha_bar(betas.size());
  double product = 1;
  for (size_t t = 0; t < betas.size(); ++t) {
    product *= 1.0f - betas[t];
    alpha_bar[t] = static_cast<float>(product);
  }
  return alpha_bar;
}

std::vector<float> rescale_zero_snr(const std::vector<float>& betas) {
  IMAGO_CHECK(betas.size() >= 2, "rescale_zero_snr: needs at least 2 time steps, got ",
              betas.size());
  std::vector<float> root = alphas_cumprod(betas);
  for (float& a : root) a = std::sqrt(a);
  const float first = root.front(), last = root.back(), scale = first / (first - last);
  for (float& a : root) a = (a - last) * scale;
  std::vector<float> rescaled(betas.size());
  for (size_t t = 0; t < betas.size(); ++t) {
    const float now = root[t] * root[t];
    rescaled[t] = 1 - (t == 0 ? now : now / (root[t - 1] * root[t - 1]));
  }
  return rescaled;
}

}  // namespace imago::diffusion
