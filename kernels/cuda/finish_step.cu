// One block. A single thread decides; all of them look for the culprit where the gradients are not finite.
#include "kernels/finish_step.h"

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/reduce.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

struct Min {
  __device__ int64_t operator()(int64_t a, int64_t b) const { return a < b ? a : b; }
};

template <typename T>
__device__ __forceinline__ bool finite(T x) {
  return x - x == T(0);
}

template <typename L, typename T>
__global__ void __launch_bounds__(kThreads) finish_step_kernel(FinishStep p) {
  SIMT_SHARED(int64_t, scratch, [kWarp]);
  TrainState& state = *p.state;
  const uint32_t step = state.step;
  const bool stopped = state.stopped;
  const double loss = static_cast<double>(*static_cast<const L*>(p.loss)), squared_norm = *p.squared_norm;
  const bool good = finite(loss) && finite(squared_norm);
  int64_t first_bad = p.n;
  if (!good && !stopped) {
    const T* g = static_cast<const T*>(p.gradients);
    for (int64_t i = threadIdx.x; i < p.n && first_bad == p.n; i += kThreads)
      if (!finite(static_cast<Accumulator<T>>(g[i]))) first_bad = i;
  }
  first_bad = block_reduce<Min>(first_bad, scratch);  // and everyone has read the state
  if (threadIdx.x != 0) return;
  state.update.wanted = good && !stopped;
  if (stopped) return;
  const int64_t at = step % p.window;
  p.records[at] = {loss, squared_norm, first_bad == p.n ? -1 : first_bad, step, good};
  if (good) {
    state.update.numbers = p.numbers[at];
    state.step = step + 1;
  } else {
    state.stopped = 1;
  }
}

}  // namespace

void finish_step(const FinishStep& p, Stream stream) {
  visit<float, double>(p.loss_dtype, "finish_step", [&]<typename L>() {
    visit<float, double, bfloat16>(p.dtype, "finish_step", [&]<typename T>() {
      simt::launch(finish_step_kernel<L, T>, dim3(1), dim3(kThreads), 0, stream_of(stream), p);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
