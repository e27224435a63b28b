#include "kernels/finish_step.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
bool finite(T x) {
  return x - x == 0;
}

template <typename T>
int64_t first_bad(const void* gradients, int64_t n) {
  const T* g = static_cast<const T*>(gradients);
  for (int64_t i = 0; i < n; ++i)
    if (!finite(g[i])) return i;
  return -1;
}

}  // namespace

void finish_step(const FinishStep& p, Stream) {
  TrainState& state = *p.state;
  state.update.wanted = 0;
  if (state.stopped) return;
  const int64_t at = state.step % p.window;
  StepRecord record{.loss = 0, .squared_norm = *p.squared_norm, .first_bad = -1, .step = state.step, .updated = 1};
  visit<float, double>(p.loss_dtype, "finish_step",
                       [&]<typename T>() { record.loss = static_cast<double>(*static_cast<const T*>(p.loss)); });
  if (finite(record.loss) && finite(record.squared_norm)) {
    state.update = {p.numbers[at], 1};
    ++state.step;
  } else {
    state.stopped = 1;
    record.updated = 0;
    visit<float, double>(p.dtype, "finish_step",
                         [&]<typename T>() { record.first_bad = first_bad<T>(p.gradients, p.n); });
  }
  p.records[at] = record;
}

}  // namespace imago::kernels::IMAGO_BACKEND
