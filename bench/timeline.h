// Points in a device's queue and the time between them: the GPU's own clock where there is a GPU, else the host's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/device.h"

namespace imago::bench {

class Timeline {
 public:
  virtual ~Timeline() = default;
  // Notes when the queue gets here; its number.
  virtual size_t mark() = 0;
  // Between two marks. Waits until the device has been there.
  virtual double seconds(size_t from, size_t to) = 0;
  // Forgets all marks.
  virtual void clear() = 0;
};

// Of the device's default queue.
std::unique_ptr<Timeline> make_timeline(Device device);
// Null in builds without CUDA.
std::unique_ptr<Timeline> make_cuda_timeline();

// Seconds of f, each of `count` times, with the device's caches full of something else before it: what a kernel costs
// whose operands other kernels have pushed out. On a GPU the calls are queued behind that work, so that the time it
// takes the host to queue them does not count.
std::vector<double> cold_seconds(Device device, const std::function<void()>& f, int count);

// The middle one; 0 of none.
double median(std::vector<double> values);

}  // namespace imago::bench
