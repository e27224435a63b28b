// Marks are CUDA events in the current stream.
#include <cuda_runtime_api.h>

#include "bench/timeline.h"
#include "core/check.h"

namespace imago::bench {
namespace {

void check(cudaError_t error, const char* what) {
  IMAGO_CHECK(error == cudaSuccess, "timeline: ", what, ": ", cudaGetErrorString(error));
}

class CudaTimeline : public Timeline {
 public:
  CudaTimeline() = default;
  CudaTimeline(const CudaTimeline&) = delete;
  CudaTimeline& operator=(const CudaTimeline&) = delete;
  ~CudaTimeline() override {
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
  }

  size_t mark() override {
    if (used_ == events_.size()) check(cudaEventCreate(&events_.emplace_back()), "an event cannot be made");
    const auto stream = static_cast<cudaStream_t>(current_stream(Device::cuda).handle);
    check(cudaEventRecord(events_[used_], stream), "an event cannot be recorded");
    return used_++;
  }
  double seconds(size_t from, size_t to) override {
    float milliseconds = 0;
    check(cudaEventSynchronize(events_[to]), "earlier work failed");
    check(cudaEventElapsedTime(&milliseconds, events_[from], events_[to]), "no time between two events");
    return 1e-3 * milliseconds;
  }
  void clear() override { used_ = 0; }  // events are used again

 private:
  std::vector<cudaEvent_t> events_;
  size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Timeline> make_cuda_timeline() { return std::make_unique<CudaTimeline>(); }

}  // namespace imago::bench
