#include "bench/timeline.h"

#include <algorithm>

#include "kernels/scale.h"

namespace imago::bench {
namespace {

// Larger than any GPU's L2 and most processors' L3; the emulator has no cache.
int64_t cache_filler_elements(Device device) {
  return device == Device::simt ? 64 : int64_t{48} << 20;
}

}  // namespace

size_t Timeline::mark() {
  if (used_ == events_.size()) events_.push_back(std::make_unique<Event>(device_));
  events_[used_]->record();
  return used_++;
}

ColdTimer::ColdTimer(Device device)
    : filler_(Tensor::zeros({cache_filler_elements(device)}, DType::f32, device)),
      timeline_(device) {}

std::vector<double> ColdTimer::seconds(const std::function<void()>& f, int count) {
  timeline_.clear();
  for (int i = 0; i < count; ++i) {
    kernels::scale(filler_, 1);
    timeline_.mark();
    f();
    timeline_.mark();
  }
  std::vector<double> seconds;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    seconds.push_back(timeline_.seconds(2 * i, 2 * i + 1));
  return seconds;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace imago::bench
