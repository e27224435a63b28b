#include "diffusion/multistep.h"

#include <algorithm>

namespace imago::diffusion {
namespace {

// The first and second divided differences of the outputs over lambda, in units of the step h, as weights of the
// outputs: D1 and D2 of the papers.
struct Differences {
  std::array<double, 3> first = {}, second = {};
};

Differences differences(int order, const MultistepLevels& l, double h) {
  Differences d;
  if (order == 1) return d;
  const double r0 = (l.now.lambda() - l.last.lambda()) / h;
  d.first = {1 / r0, -1 / r0, 0};
  if (order == 2) return d;
  const double r1 = (l.last.lambda() - l.before.lambda()) / h;
  const std::array<double, 3> earlier = {0, 1 / r1, -1 / r1};
  for (size_t j = 0; j < 3; ++j) {
    const double change = d.first[j] - earlier[j];
    d.first[j] += r0 / (r0 + r1) * change;
    d.second[j] = change / (r0 + r1);
  }
  return d;
}

// The integral of the exponential times D0 + D1 u + ... over the step: the weights of D0, D1 and D2.
struct Integral {
  double d0, d1, d2;
};

// With y the exponent at the step's end and E = e^y - 1: E D0 + (E / y - 1) D1 + ((E - y) / y^2 - 1/2) D2. In second
// order, midpoint has E / 2 for the weight of D1.
Integral exponential_integral(double y, int order, SolverType type) {
  const double E = std::expm1(y);
  if (order == 1) return {E, 0, 0};
  if (order == 2) return {E, type == SolverType::midpoint ? E / 2 : E / y - 1, 0};
  return {E, E / y - 1, (E - y) / (y * y) - 0.5};
}

}  // namespace

bool integrates_x0(AlgorithmType type) {
  return type == AlgorithmType::dpmsolver_pp || type == AlgorithmType::sde_dpmsolver_pp;
}
bool is_stochastic(AlgorithmType type) {
  return type == AlgorithmType::sde_dpmsolver || type == AlgorithmType::sde_dpmsolver_pp;
}

// With h the distance in lambda, and (alpha, sigma) -> (alpha', sigma'):
//   dpmsolver++      x' = sigma' / sigma x - alpha' I(-h)
//   dpmsolver        x' = alpha' / alpha x - sigma' I(h)
//   sde-dpmsolver++  x' = sigma' / sigma e^(-h) x - alpha' I(-2 h) + sigma' sqrt(1 - e^(-2 h)) z
//   sde-dpmsolver    x' = alpha' / alpha x - 2 sigma' I(h) + sigma' sqrt(e^(2 h) - 1) z
// where I is the integral above. At sigma' = 0, h is infinite and the step is of first order: x' = x_0.
MultistepWeights multistep_weights(const SchedulerConfig& config, int order, const MultistepLevels& l) {
  const double h = l.next.lambda() - l.now.lambda();
  const Differences d = differences(order, l, h);
  const AlgorithmType type = config.algorithm_type;
  const double rate = !integrates_x0(type) ? 1 : is_stochastic(type) ? -2 : -1;
  Integral integral = exponential_integral(rate * h, order, config.solver_type);
  // diffusers has the last half of sde-dpmsolver++ with the other sign, and equal numbers come first here.
  if (type == AlgorithmType::sde_dpmsolver_pp && order == 3) integral.d2 += 1;
  double scale = 0;
  MultistepWeights w;
  switch (type) {
    case AlgorithmType::dpmsolver_pp:
      w.x = l.next.sigma / l.now.sigma, scale = -l.next.alpha;
      break;
    case AlgorithmType::dpmsolver:
      w.x = l.next.alpha / l.now.alpha, scale = -l.next.sigma;
      break;
    case AlgorithmType::sde_dpmsolver_pp:
      w.x = l.next.sigma / l.now.sigma * std::exp(-h), scale = -l.next.alpha;
      w.noise = l.next.sigma * std::sqrt(-std::expm1(-2 * h));
      break;
    case AlgorithmType::sde_dpmsolver:
      w.x = l.next.alpha / l.now.alpha, scale = -2 * l.next.sigma;
      w.noise = l.next.sigma * std::sqrt(std::expm1(2 * h));
      break;
  }
  for (size_t j = 0; j < 3; ++j)
    w.output[j] = scale * ((j == 0 ? integral.d0 : 0) + integral.d1 * d.first[j] + integral.d2 * d.second[j]);
  return w;
}

int multistep_order(const SchedulerConfig& c, size_t k, size_t n, size_t first) {
  const bool short_run = c.lower_order_final && n < 15;
  const int wanted = static_cast<int>(std::min<size_t>(static_cast<size_t>(c.solver_order), k - first + 1));
  if (k + 1 == n && (c.euler_at_final || short_run || c.final_sigmas_type == FinalSigma::zero)) return 1;
  return k + 2 == n && short_run ? std::min(wanted, 2) : wanted;
}

void set_multistep(size_t k, const MultistepWeights& w, const MultistepOutput& output,
                   kernels::DenoiseCoefficients& c) {
  c.x_x0 = w.output[0] * output.x0;
  c.x_x = w.x + w.output[0] * output.x;
  c.x_model = w.output[0] * output.model;
  c.x_memory[(k + 1) % 2] = w.output[1];  // the last step's
  c.x_memory[k % 2] = w.output[2];        // the one's before, which makes room for this one's
  c.keep = static_cast<int>(k % 2);
  c.keep_x0 = output.x0, c.keep_x = output.x, c.keep_model = output.model;
  c.sigma = w.noise;
}

}  // namespace imago::diffusion
