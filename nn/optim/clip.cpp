#include "nn/optim/clip.h"

#include <cmath>

#include "kernels/clip.h"
#include "kernels/sum_squares.h"

namespace imago::nn {

GradientClip clip_grad_norm(const ParameterArena& arena, double max_norm) {
  IMAGO_CHECK(max_norm > 0, "clip_grad_norm: max_norm must be positive, got ", max_norm);
  const double norm = std::sqrt(kernels::sum_squares(arena.gradients()).item());
  return {.norm = norm, .scale = kernels::clip_factor(norm, max_norm)};
}

}  // namespace imago::nn
