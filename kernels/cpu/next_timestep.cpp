#include "kernels/next_timestep.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

void next_timestep(const NextTimestep& p, Stream) {
  const int64_t at = *p.step < p.S ? *p.step : p.S - 1;
  visit<int64_t, float>(p.dtype, "next_timestep", [&]<typename T>() {
    for (int64_t n = 0; n < p.N; ++n) static_cast<T*>(p.t)[n] = static_cast<const T*>(p.timesteps)[at];
  });
  ++*p.step;
}

}  // namespace imago::kernels::IMAGO_BACKEND
