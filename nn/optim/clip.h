// Clipping gradients by their global norm: Pascanu et al. 2013 (arXiv:1211.5063).
#pragma once

#include "nn/arena.h"

namespace imago::nn {

struct GradientClip {
  double norm;   // of all gradients together, before clipping
  double scale;  // what to multiply them by, at most 1
};

// scale = min(1, max_norm / (norm + 1e-6)). The gradients stay as they are: the optimiser
// multiplies them in its own pass,
//   const GradientClip clip = clip_grad_norm(arena, 1.0);
//   optimizer.step(lr, {.gradient_scale = clip.scale});
// A norm that is not finite makes scale 0 or NaN; whoever wants to skip such a step looks at norm.
GradientClip clip_grad_norm(const ParameterArena& arena, double max_norm);

}  // namespace imago::nn
