#include "diffusion/step_queue.h"

#include <cstring>
#include <utility>

namespace imago::diffusion {

using kernels::AdamWNumbers;
using kernels::StepRecord;
using kernels::TrainState;

namespace {

Tensor memory_for(size_t bytes, Device device) {
  return Tensor::zeros({static_cast<int64_t>(bytes)}, DType::u8, device);
}

}  // namespace

StepQueue::StepQueue(Device device, std::function<AdamWNumbers(int64_t k)> numbers)
    : numbers_(std::move(numbers)),
      memory_{.state = memory_for(sizeof(TrainState), device),
              .numbers = memory_for(kWindow * sizeof(AdamWNumbers), device),
              .records = memory_for(kWindow * sizeof(StepRecord), device)},
      outgoing_{{kHalf * sizeof(AdamWNumbers), device}, {kHalf * sizeof(AdamWNumbers), device}},
      arrivals_{Arrival(device), Arrival(device)},
      // On the CPU work is done by the time that it is given: there is nothing to wait for.
      interval_(device == Device::cpu ? 1 : 16) {}

void StepQueue::restart(int64_t steps) {
  IMAGO_CHECK(steps >= 0 && steps < int64_t{1} << 32, "training: steps must be in [0, 2^32), got ", steps);
  const TrainState state{.step = static_cast<uint32_t>(steps), .stopped = 0, .update = {}};
  std::vector<uint8_t> bytes(sizeof state);
  std::memcpy(bytes.data(), &state, sizeof state);
  memory_.state.copy_from(
      Tensor::from<uint8_t>(bytes, {static_cast<int64_t>(bytes.size())}, Device::cpu));
  given_ = fetched_ = taken_ = steps;
  for (Arrival& arrival : arrivals_) arrival.pending = false;
  found_.clear();
  sent_ = false;
}

void StepQueue::begin() {
  if (!sent_ || given_ % kHalf == 0) send_numbers();
}

// The half of the window was last used a whole window ago, and these steps are known by now: fetch() waits for them.
void StepQueue::send_numbers() {
  const int64_t half = given_ / kHalf;
  const PinnedBuffer& outgoing = outgoing_[half % 2];
  const std::span<AdamWNumbers> numbers = outgoing.span<AdamWNumbers>();
  for (int64_t i = 0; i < kHalf; ++i) numbers[static_cast<size_t>(i)] = numbers_(half * kHalf + i);
  const int64_t bytes = kHalf * static_cast<int64_t>(sizeof(AdamWNumbers)), at = half % 2 * bytes;
  outgoing.copy_to(memory_.numbers.slice(at, at + bytes));
  sent_ = true;
}

void StepQueue::end() {
  if (++given_ - fetched_ == interval_) fetch();
}

void StepQueue::fetch() {
  const size_t slot = next_arrival_;
  next_arrival_ = 1 - next_arrival_;
  Arrival& arrival = arrivals_[slot];
  if (arrival.pending) take(slot);
  arrival.records.copy_from(memory_.records);
  arrival.copied.record();
  arrival.steps = fetched_ = given_;
  arrival.pending = true;
}

void StepQueue::take(size_t slot) {
  Arrival& arrival = arrivals_[slot];
  arrival.copied.synchronize();
  arrival.pending = false;
  const std::span<const StepRecord> records = arrival.records.span<StepRecord>();
  for (; taken_ < arrival.steps; ++taken_) {
    if (!found_.empty() && !found_.back().updated) continue;  // the device has left it out
    found_.push_back(records[static_cast<size_t>(taken_ % kWindow)]);
  }
}

std::vector<StepRecord> StepQueue::known(bool wait) {
  if (wait && fetched_ < given_) fetch();
  for (const size_t slot : {next_arrival_, 1 - next_arrival_}) {  // the older one first
    const Arrival& arrival = arrivals_[slot];
    if (arrival.pending && (wait || arrival.copied.has_happened())) take(slot);
  }
  return std::exchange(found_, {});
}

}  // namespace imago::diffusion
