#include "bench/timeline.h"

#include <algorithm>
#include <chrono>

#include "core/device_memory.h"
#include "kernels/scale.h"

namespace imago::bench {
namespace {

class HostTimeline : public Timeline {
 public:
  size_t mark() override {
    marks_.push_back(std::chrono::steady_clock::now());
    return marks_.size() - 1;
  }
  double seconds(size_t from, size_t to) override {
    return std::chrono::duration<double>(marks_[to] - marks_[from]).count();
  }
  void clear() override { marks_.clear(); }

 private:
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

// Larger than any GPU's L2 and most processors' L3; the emulator has no cache.
int64_t cache_filler_elements(Device device) { return device == Device::simt ? 64 : int64_t{48} << 20; }

}  // namespace

std::unique_ptr<Timeline> make_timeline(Device device) {
  if (device == Device::cuda)
    if (std::unique_ptr<Timeline> timeline = make_cuda_timeline()) return timeline;
  return std::make_unique<HostTimeline>();
}

ColdTimer::ColdTimer(Device device)
    : device_(device), filler_(Tensor::zeros({cache_filler_elements(device)}, DType::f32, device)),
      timeline_(make_timeline(device)) {}

std::vector<double> ColdTimer::seconds(const std::function<void()>& f, int count) {
  timeline_->clear();
  for (int i = 0; i < count; ++i) {
    kernels::scale(filler_, 1);
    timeline_->mark();
    f();
    timeline_->mark();
  }
  synchronize(device_);
  std::vector<double> seconds;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) seconds.push_back(timeline_->seconds(2 * i, 2 * i + 1));
  return seconds;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace imago::bench
