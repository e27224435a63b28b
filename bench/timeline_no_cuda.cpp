// Stands in for timeline_cuda.cpp in builds without CUDA.
#include "bench/timeline.h"

namespace imago::bench {

std::unique_ptr<Timeline> make_cuda_timeline() { return nullptr; }

}  // namespace imago::bench
