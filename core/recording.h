// What becomes of the work that this thread gives to a device: it is done, kept for a graph, or dropped by a dry run.
#pragma once

#include <cstdint>

#include "core/device_queues.h"
#include "core/memory_source.h"
#include "core/stream.h"

namespace imago {

enum class Recording : uint8_t { none, graph, dry_run };
Recording recording(Device device);
// Throws while work is recorded, since then the device's memory holds nothing yet; `op` begins the sentence.
void check_host_access(const char* op, Device device);

// From its construction to finish(), or to its end, this thread's work on the device is kept in a stream of its own and
// not done, and allocations come from `memory`.
class Capture {
 public:
  Capture(Device device, Recording kind, std::shared_ptr<MemorySource> memory);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  CapturedWork finish();

 private:
  const DeviceQueues& queues_;
  OwnedStream stream_;
  StreamScope stream_scope_;
  MemorySourceScope memory_scope_;
  bool open_ = false;
};

}  // namespace imago
