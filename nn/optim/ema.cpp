#include "nn/optim/ema.h"

#include <algorithm>
#include <cmath>

#include "kernels/ema.h"

namespace imago::nn {

double ema_decay(const EmaOptions& options, int64_t k) {
  const double s = static_cast<double>(k - options.update_after_step - 1);
  if (s <= 0) return 0;
  const double decay =
      options.warmup ? 1 - std::pow(1 + s / options.inv_gamma, -options.power) : (1 + s) / (10 + s);
  return std::max(std::min(decay, options.max_decay), options.min_decay);
}

Ema::Ema(const ParameterArena& arena, const EmaOptions& options)
    : arena_(arena), options_(options), values_(arena.values().clone()) {
  IMAGO_CHECK(
      0 <= options.min_decay && options.min_decay <= options.max_decay && options.max_decay <= 1,
      "Ema: decays must be 0 <= min_decay <= max_decay <= 1, got ", options.min_decay, " and ",
      options.max_decay);
  IMAGO_CHECK(options.inv_gamma > 0, "Ema: inv_gamma must be positive, got ", options.inv_gamma);
}

void Ema::update() { kernels::ema(values_, arena_.values(), advance()); }

}  // namespace imago::nn
