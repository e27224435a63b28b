// The CPU's streams: a stream does at once what it is given, unless it is being captured; then the work is kept.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/device_queues.h"
#include "core/memory_source.h"

namespace imago {

struct HostQueue {
  bool capturing = false;
  std::vector<std::function<void()>> kept;
};

extern const DeviceQueues kHostQueues;

// Everything that touches the CPU's tensors in a stream's order goes through here: kernels, fills and copies. What the
// work itself allocates is scratch, no part of a trace.
template <typename F>
void queue_on_host(Stream stream, F&& work) {
  auto* queue = static_cast<HostQueue*>(stream.handle);
  if (queue && queue->capturing) {
    queue->kept.emplace_back(std::forward<F>(work));
  } else if (memory_source(Device::cpu)) {
    const MemorySourceScope scratch(Device::cpu, nullptr);
    work();
  } else {
    work();
  }
}

}  // namespace imago
