// One step further along a plan of sampling steps that lies on the device.
#pragma once

#include "core/tensor.h"

namespace imago::kernels {

struct NextTimestep {
  const void* timesteps;  // (S)
  uint32_t* step;         // (1)
  void* t;                // (N)
  int64_t S, N;
  DType dtype;
};

// Counts `step` (1), i32, up by one, and returns t (N): all timesteps[step - 1], the one that the model is told at this
// step. timesteps is (S), i64 or f32; behind the last step t stays what it was there.
Tensor next_timestep(const Tensor& timesteps, Tensor& step, int64_t N);

}  // namespace imago::kernels
