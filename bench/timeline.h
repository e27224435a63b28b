// Points in a device's queue and the time between them: the GPU's own clock where there is a GPU,
// else the host's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/stream.h"
#include "core/tensor.h"

namespace imago::bench {

class Timeline {
 public:
  explicit Timeline(Device device) : device_(device) {}
  // Notes when the device's current stream gets here; its number.
  size_t mark();
  // Between two marks. Waits until the device has been there.
  double seconds(size_t from, size_t to) const {
    return 1e-3 * elapsed_milliseconds(*events_[from], *events_[to]);
  }
  // Forgets all marks.
  void clear() { used_ = 0; }

 private:
  Device device_;
  std::vector<std::unique_ptr<Event>> events_;  // used again after clear()
  size_t used_ = 0;
};

// Times calls that find the device's caches full of something else: what a kernel costs whose
// operands other kernels have pushed out. On a GPU the calls are queued behind that filling, so
// that the time it takes the host to queue them does not count.
class ColdTimer {
 public:
  explicit ColdTimer(Device device);
  // Of each of `count` calls.
  std::vector<double> seconds(const std::function<void()>& f, int count);

 private:
  Tensor filler_;
  Timeline timeline_;
};

// The middle one; 0 of none.
double median(std::vector<double> values);

}  // namespace imago::bench
