#include "bench/timeline.h"

#include <algorithm>
#include <chrono>

#include "core/device_memory.h"
#include "core/random.h"
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

std::vector<double> cold_seconds(Device device, const std::function<void()>& f, int count) {
  const Tensor filler = rand({cache_filler_elements(device)}, {.seed = 9}).to(device);
  const std::unique_ptr<Timeline> timeline = make_timeline(device);
  for (int i = 0; i < count; ++i) {
    kernels::scale(filler, 1);
    timeline->mark();
    f();
    timeline->mark();
  }
  synchronize(device);
  std::vector<double> seconds;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) seconds.push_back(timeline->seconds(2 * i, 2 * i + 1));
  return seconds;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace imago::bench
