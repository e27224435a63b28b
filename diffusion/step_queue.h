// Training steps between the host, which gives them to a device and hears of them later, and the device, which does
// them one after the other.
#pragma once

#include <functional>
#include <vector>

#include "core/pinned_buffer.h"
#include "kernels/finish_step.h"

namespace imago::diffusion {

// Holds what finish_step() (kernels/finish_step.h) needs. The numbers of the steps to come travel to the device in
// windows, and the records of those that are done travel back, both behind the steps that were given before: nobody
// waits, unless the host is far ahead.
class StepQueue {
 public:
  // numbers(k) are those of update k, counted from 0: a function of k alone.
  StepQueue(Device device, std::function<kernels::AdamWNumbers(int64_t k)> numbers);

  // From now on, `steps` updates have been made. What is under way has to be known().
  void restart(int64_t steps);
  int64_t steps() const { return given_; }  // as many as have been given, and those before

  // Around the work of one step, which ends with finish_step(..., memory()).
  void begin();
  void end();
  kernels::StepMemory& memory() { return memory_; }
  const uint32_t* step_at() const { return &state()->step; }
  const kernels::AdamWUpdate* update_at() const { return &state()->update; }

  // What has become known of the steps since the last call, oldest first; if `wait`, of all steps. Behind one that was
  // not updated there are none: the device has left them out.
  std::vector<kernels::StepRecord> known(bool wait);
  bool all_known() const { return taken_ == given_; }

 private:
  const kernels::TrainState* state() const { return static_cast<const kernels::TrainState*>(memory_.state.raw()); }
  void send_numbers();
  void fetch();
  void take(size_t slot);

  static constexpr int64_t kWindow = 128, kHalf = kWindow / 2;
  // One of two places in the host's memory where a copy of all records arrives.
  struct Arrival {
    explicit Arrival(Device device)
        : records(kWindow * sizeof(kernels::StepRecord), device), copied(device) {}
    PinnedBuffer records;
    Event copied;
    int64_t steps = 0;  // those before this one are in it
    bool pending = false;
  };

  std::function<kernels::AdamWNumbers(int64_t)> numbers_;
  kernels::StepMemory memory_;
  PinnedBuffer outgoing_[2];  // a half of the window each
  Arrival arrivals_[2];
  size_t next_arrival_ = 0;
  int64_t interval_;  // steps between fetches
  int64_t given_ = 0, fetched_ = 0, taken_ = 0;
  bool sent_ = false;  // the numbers of the half that the next step is in
  std::vector<kernels::StepRecord> found_;
};

}  // namespace imago::diffusion
