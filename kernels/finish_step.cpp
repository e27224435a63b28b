#include "kernels/finish_step.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

template <typename T>
int64_t count_of(const Tensor& memory, const char* name) {
  const int64_t size = sizeof(T);
  IMAGO_CHECK(memory.dtype() == DType::u8 && memory.numel() >= size && memory.numel() % size == 0, "finish_step: ",
              name, " must be a multiple of ", size, " bytes, got ", memory.numel(), " ", memory.dtype());
  return memory.numel() / size;
}

}  // namespace

void finish_step(const Tensor& loss, const Tensor& gradients, const Tensor& squared_norm, StepMemory& memory) {
  IMAGO_CHECK(loss.defined() && loss.numel() == 1, "finish_step: loss must have one element, got ", loss.shape());
  IMAGO_CHECK(squared_norm.numel() == 1 && squared_norm.dtype() == DType::f64,
              "finish_step: squared_norm must be one f64, got ", squared_norm.shape(), " ", squared_norm.dtype());
  check_same_device("finish_step", loss,
                    {{"gradients", gradients},
                     {"squared_norm", squared_norm},
                     {"state", memory.state},
                     {"numbers", memory.numbers},
                     {"records", memory.records}});
  const int64_t window = count_of<AdamWNumbers>(memory.numbers, "numbers");
  IMAGO_CHECK(count_of<StepRecord>(memory.records, "records") == window, "finish_step: there must be ", window,
              " records, as many as numbers, got ", memory.records.numel() / static_cast<int64_t>(sizeof(StepRecord)));
  count_of<TrainState>(memory.state, "state");
  for (Tensor* t : {&memory.state, &memory.records}) t->bump_version();
  const FinishStep p{.loss = loss.raw(),
                     .gradients = gradients.raw(),
                     .squared_norm = static_cast<const double*>(squared_norm.raw()),
                     .numbers = static_cast<const AdamWNumbers*>(memory.numbers.raw()),
                     .records = static_cast<StepRecord*>(memory.records.raw()),
                     .state = static_cast<TrainState*>(memory.state.raw()),
                     .n = gradients.numel(),
                     .window = window,
                     .loss_dtype = loss.dtype(),
                     .dtype = gradients.dtype()};
  backend_for(loss.device()).finish_step(p, current_stream(loss.device()));
}

}  // namespace imago::kernels
