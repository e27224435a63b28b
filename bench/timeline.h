// Points in a device's queue and the time between them: the GPU's own clock where there is a GPU, else the host's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/tensor.h"

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

// Of the device's current queue.
std::unique_ptr<Timeline> make_timeline(Device device);
// Null in builds without CUDA.
std::unique_ptr<Timeline> make_cuda_timeline();

// Times calls that find the device's caches full of something else: what a kernel costs whose operands other kernels
// have pushed out. On a GPU the calls are queued behind that filling, so that the time it takes the host to queue them
// does not count.
class ColdTimer {
 public:
  explicit ColdTimer(Device device);
  // Of each of `count` calls.
  std::vector<double> seconds(const std::function<void()>& f, int count);

 private:
  Device device_;
  Tensor filler_;
  std::unique_ptr<Timeline> timeline_;
};

// The middle one; 0 of none.
double median(std::vector<double> values);

}  // namespace imago::bench
