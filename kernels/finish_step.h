// The end of a training step, between its gradients and the update of the parameters: what decides on the update, and
// what the host wants to know later, without a word from the host or to it.
#pragma once

#include "kernels/adamw.h"

namespace imago::kernels {

// Where a run of training steps stands, in the memory of its device.
struct TrainState {
  uint32_t step = 0;     // updates so far: what RandomKey::step_at points to
  uint32_t stopped = 0;  // 1 from the step on whose loss or gradients were not finite
  AdamWUpdate update;    // of the step at hand, for adamw()
};

// What becomes of one step, for the host to read.
struct StepRecord {
  double loss, squared_norm;
  int64_t first_bad;  // the first gradient that is not finite, -1 if there is none
  uint32_t step;      // updates before it
  uint32_t updated;   // 0 if it was not finite: nothing was updated then
};

struct FinishStep {
  const void *loss, *gradients;  // one value  (n)
  const double* squared_norm;    // (1)
  const AdamWNumbers* numbers;   // (window): those of update k, counted from 0, at k % window
  StepRecord* records;           // (window), as well
  TrainState* state;
  int64_t n, window;
  DType loss_dtype, dtype;
};

// The state, the upcoming updates' numbers, and the latest steps' records, as memory: each tensor is u8, and holds as
// many structs as fit.
struct StepMemory {
  Tensor state, numbers, records;
};

// If loss and squared_norm, of sum_squares(gradients), are finite, hands the numbers of this update to adamw() and
// counts it; if not, tells adamw() to leave everything as it is, now and from now on. Records the step, unless one
// before it was not finite.
void finish_step(const Tensor& loss, const Tensor& gradients, const Tensor& squared_norm, StepMemory& memory);

}  // namespace imago::kernels
