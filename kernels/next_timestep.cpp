#include "kernels/next_timestep.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

Tensor next_timestep(const Tensor& timesteps, Tensor& step, int64_t N) {
  const bool typed = timesteps.dtype() == DType::i64 || timesteps.dtype() == DType::f32;
  IMAGO_CHECK(timesteps.rank() == 1 && timesteps.numel() >= 1 && typed,
              "next_timestep: timesteps must be (S) of i64 or f32, got ", timesteps.shape(), " ", timesteps.dtype());
  IMAGO_CHECK(step.numel() == 1 && step.dtype() == DType::i32, "next_timestep: step must be one i32, got ",
              step.shape(), " ", step.dtype());
  check_same_device("next_timestep", timesteps, {{"step", step}});
  step.bump_version();
  const Tensor t({N}, timesteps.dtype(), timesteps.device());
  const NextTimestep p{.timesteps = timesteps.raw(),
                       .step = static_cast<uint32_t*>(step.raw()),
                       .t = t.raw(),
                       .S = timesteps.numel(),
                       .N = N,
                       .dtype = t.dtype()};
  backend_for(t.device()).next_timestep(p, current_stream(t.device()));
  return t;
}

}  // namespace imago::kernels
