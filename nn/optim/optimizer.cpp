#include "nn/optim/optimizer.h"

#include "kernels/adamw.h"
#include "kernels/sgd.h"
#include "kernels/sum_squares.h"

namespace imago::nn {
namespace {

kernels::NormClipArguments clip_of(const ParameterArena& arena, const StepOptions& options) {
  if (options.max_norm == 0) return {};
  const bool known = options.squared_norm.defined();
  return {.squared_norm = known ? options.squared_norm : kernels::sum_squares(arena.gradients()),
          .max_norm = options.max_norm};
}

void check_not_swapped(const ParameterArena& arena) {
  IMAGO_CHECK(!arena.swapped(),
              "step: the parameters are swapped for others, close the EmaScope first");
}

}  // namespace

void Optimizer::step(double lr, const StepOptions& options) {
  check_not_swapped(arena_);
  update(++steps_, lr, options);
}

Sgd::Sgd(ParameterArena& arena, const SgdOptions& options) : Optimizer(arena), options_(options) {
  IMAGO_CHECK(options.momentum >= 0 && options.momentum < 1,
              "Sgd: momentum must be in [0, 1), got ", options.momentum);
  IMAGO_CHECK(!options.nesterov || options.momentum > 0, "Sgd: nesterov needs a momentum");
  if (options.momentum > 0) momentum_buffer_ = arena.zeros();
}

std::vector<std::pair<std::string, Tensor>> Sgd::state() const {
  if (!momentum_buffer_.defined()) return {};
  return {{"momentum_buffer", momentum_buffer_}};
}

void Sgd::update(int64_t, double lr, const StepOptions& options) {
  kernels::sgd(arena().values(), arena().gradients(), momentum_buffer_,
               {.lr = lr,
                .momentum = options_.momentum,
                .weight_decay = options_.weight_decay,
                .nesterov = options_.nesterov,
                .gradient_scale = options.gradient_scale,
                .clip = clip_of(arena(), options)});
  arena().refresh_shadow();
  if (options.ema) options.ema->update();
  if (options.zero_gradient) arena().zero_grad();
}

Adam::Adam(ParameterArena& arena, const AdamOptions& options, bool decoupled)
    : Optimizer(arena),
      options_(options),
      decoupled_(decoupled),
      m_(arena.zeros()),
      v_(arena.zeros()) {
  const auto [beta1, beta2, eps, weight_decay] = options;
  IMAGO_CHECK(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
              "Adam: beta1 and beta2 must be in [0, 1), got ", beta1, " and ", beta2);
  IMAGO_CHECK(eps >= 0 && weight_decay >= 0,
              "Adam: eps and weight_decay must not be negative, got ", eps, " and ", weight_decay);
}

std::vector<std::pair<std::string, Tensor>> Adam::state() const {
  return {{"exp_avg", m_}, {"exp_avg_sq", v_}};
}

void Adam::update(int64_t k, double lr, const StepOptions& options) {
  update({.lr = lr, .step = k, .ema_decay = options.ema ? options.ema->advance() : 0}, options);
}

void Adam::update_from(const kernels::AdamWUpdate* update_at, const StepOptions& options) {
  check_not_swapped(arena());
  update({.update_at = update_at}, options);
}

kernels::AdamWNumbers Adam::numbers(int64_t k, double lr, double ema_decay) const {
  return kernels::numbers_of({.lr = lr,
                              .beta1 = options_.beta1,
                              .beta2 = options_.beta2,
                              .weight_decay = options_.weight_decay,
                              .decoupled = decoupled_,
                              .step = k,
                              .ema_decay = ema_decay});
}

void Adam::update(kernels::AdamWArguments arguments, const StepOptions& options) {
  arguments.beta1 = options_.beta1, arguments.beta2 = options_.beta2;
  arguments.eps = options_.eps, arguments.weight_decay = options_.weight_decay;
  arguments.decoupled = decoupled_;
  arguments.gradient_scale = options.gradient_scale;
  arguments.clip = clip_of(arena(), options);
  arguments.shadow = arena().shadow();
  arguments.zero_gradient = options.zero_gradient;
  Tensor no_average;
  kernels::adamw(arena().values(), arena().gradients(), m_, v_,
                 options.ema ? options.ema->values() : no_average, arguments);
}

}  // namespace imago::nn
