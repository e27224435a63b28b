#include "kernels/finish_step.h"

#include <cstring>

#include "kernels/sum_squares.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::AdamWNumbers;
using kernels::StepMemory;
using kernels::StepRecord;
using kernels::TrainState;

namespace {

template <typename T>
Tensor to_device(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Tensor::from<uint8_t>(bytes, {static_cast<int64_t>(bytes.size())});
}
template <typename T>
std::vector<T> from_device(const Tensor& memory) {
  const std::vector<uint8_t> bytes = memory.to_vector<uint8_t>();
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// A window of four updates whose numbers tell which they are.
StepMemory memory_from(uint32_t step) {
  std::vector<AdamWNumbers> numbers;
  for (int k = 0; k < 4; ++k) numbers.push_back({1.0 + k, 2.0 + k, 3.0 + k, 4.0 + k});
  return {.state = to_device<TrainState>({{.step = step, .stopped = 0, .update = {}}}),
          .numbers = to_device(numbers),
          .records = to_device(std::vector<StepRecord>(4, StepRecord{}))};
}

TrainState state_of(const StepMemory& memory) { return from_device<TrainState>(memory.state).at(0); }

void finish(StepMemory& memory, double loss, const Tensor& gradients, DType loss_dtype = DType::f32) {
  kernels::finish_step(Tensor::full({}, loss, loss_dtype), gradients, kernels::sum_squares(gradients), memory);
}

}  // namespace

TEST_CASE("a finished step is counted and recorded, and hands on its numbers", "[finish_step]") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    StepMemory memory = memory_from(6);  // from the middle of the window around its end
    for (uint32_t step = 6; step < 12; ++step) {
      CAPTURE(dtype, step);
      finish(memory, 0.5 * step, Tensor::full({5}, step, dtype), dtype);
      const TrainState state = state_of(memory);
      CHECK(state.step == step + 1);
      CHECK(state.stopped == 0);
      CHECK(state.update.wanted == 1);
      CHECK(state.update.numbers.keep == 1.0 + step % 4);
      CHECK(state.update.numbers.rate == 2.0 + step % 4);
      CHECK(state.update.numbers.root == 3.0 + step % 4);
      CHECK(state.update.numbers.ema_rest == 4.0 + step % 4);
      const StepRecord record = from_device<StepRecord>(memory.records)[step % 4];
      CHECK(record.loss == 0.5 * step);
      CHECK(record.squared_norm == 5.0 * step * step);
      CHECK(record.first_bad == -1);
      CHECK(record.step == step);
      CHECK(record.updated == 1);
    }
  }
}

TEST_CASE("what is not finite stops the training, and its first gradient is found", "[finish_step]") {
  struct Case { double loss; std::vector<std::pair<int64_t, float>> bad; };
  for (const auto& [loss, bad] : {Case{NAN, {}}, Case{-INFINITY, {}}, Case{1, {{699, NAN}}}, Case{1, {{0, INFINITY}}},
                                  Case{NAN, {{600, -INFINITY}, {257, NAN}, {698, NAN}}}}) {
    StepMemory memory = memory_from(2);
    Tensor gradients = Tensor::full({700}, 1);
    int64_t first = -1;
    for (const auto& [at, value] : bad) {
      gradients.slice(at, at + 1).fill(value);
      first = first < 0 ? at : std::min(first, at);
    }
    CAPTURE(loss, first);
    finish(memory, loss, gradients);
    const auto check_stopped = [&] {
      const TrainState state = state_of(memory);
      CHECK(state.step == 2);
      CHECK(state.stopped == 1);
      CHECK(state.update.wanted == 0);
    };
    check_stopped();
    const std::vector<StepRecord> records = from_device<StepRecord>(memory.records);
    CHECK(records[2].first_bad == first);
    CHECK(records[2].step == 2);
    CHECK(records[2].updated == 0);
    CHECK(std::isnan(records[2].loss) == std::isnan(loss));
    finish(memory, 1, Tensor::full({700}, 1));  // a good one does not change that, nor what was recorded
    check_stopped();
    CHECK(from_device<StepRecord>(memory.records)[2].first_bad == first);
    CHECK(from_device<StepRecord>(memory.records)[3].updated == 0);
  }
}

TEST_CASE("finish_step names the bad argument", "[finish_step][errors]") {
  StepMemory memory = memory_from(0);
  const Tensor g = Tensor::full({5}, 1), one = Tensor::full({}, 1), norm = Tensor::full({}, 1, DType::f64);
  CHECK_THROWS_WITH(kernels::finish_step(g, g, norm, memory), "finish_step: loss must have one element, got (5)");
  CHECK_THROWS_WITH(kernels::finish_step(one, g, one, memory), "finish_step: squared_norm must be one f64, got () f32");
  StepMemory odd = memory, less = memory;
  odd.state = odd.state.slice(0, 7);
  less.records = less.records.slice(0, 2 * static_cast<int64_t>(sizeof(StepRecord)));
  CHECK_THROWS_WITH(kernels::finish_step(one, g, norm, odd), Contains("finish_step: state must be a multiple of"));
  CHECK_THROWS_WITH(kernels::finish_step(one, g, norm, less),
                    "finish_step: there must be 4 records, as many as numbers, got 2");
}
