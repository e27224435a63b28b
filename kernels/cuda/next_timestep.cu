// One block: all of it has to have read the counter before it is counted up.
#include "kernels/next_timestep.h"

#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
__global__ void __launch_bounds__(kThreads) next_timestep_kernel(NextTimestep p) {
  const uint32_t step = *p.step;
  const T t = static_cast<const T*>(p.timesteps)[step < p.S ? step : p.S - 1];
  for (int64_t n = threadIdx.x; n < p.N; n += kThreads) static_cast<T*>(p.t)[n] = t;
  __syncthreads();
  if (threadIdx.x == 0) *p.step = step + 1;
}

}  // namespace

void next_timestep(const NextTimestep& p, Stream stream) {
  visit<int64_t, float>(p.dtype, "next_timestep", [&]<typename T>() {
    simt::launch(next_timestep_kernel<T>, dim3(1), dim3(kThreads), 0, stream_of(stream), p);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
