#include "core/recording.h"

#include <array>
#include <utility>

#include "core/check.h"
#include "core/device_memory.h"

namespace imago {
namespace {

constinit thread_local std::array<Recording, 3> recordings{};
Recording& recording_of(Device device) { return recordings[static_cast<size_t>(device)]; }

std::shared_ptr<MemorySource>& source_of(Device device) {
  thread_local std::array<std::shared_ptr<MemorySource>, 3> sources;
  return sources[static_cast<size_t>(device)];
}

}  // namespace

MemorySourceScope::MemorySourceScope(Device device, std::shared_ptr<MemorySource> source)
    : device_(device), before_(std::exchange(source_of(device), std::move(source))) {}
MemorySourceScope::~MemorySourceScope() { source_of(device_) = std::move(before_); }
const std::shared_ptr<MemorySource>& memory_source(Device device) { return source_of(device); }

Recording recording(Device device) { return recording_of(device); }

void check_host_access(const char* op, Device device) {
  IMAGO_CHECK(recording(device) == Recording::none, op, ": the host cannot reach memory of ", device,
              " while its work is recorded, for nothing is computed yet; do this before the capture or after a launch");
}

Capture::Capture(Device device, Recording kind, std::shared_ptr<MemorySource> memory)
    : queues_(device_queues(device)),
      stream_(device),
      stream_scope_(stream_),
      memory_scope_(device, std::move(memory)) {
  IMAGO_CHECK(recording(device) == Recording::none, "capture: this thread's work on ", device,
              " is being recorded already");
  queues_.begin_capture(stream_.get().handle);
  recording_of(device) = kind;
  open_ = true;
}

Capture::~Capture() {
  if (!open_) return;
  recording_of(stream_.device()) = Recording::none;
  queues_.abandon_capture(stream_.get().handle);
}

CapturedWork Capture::finish() {
  open_ = false;
  recording_of(stream_.device()) = Recording::none;
  return queues_.end_capture(stream_.get().handle);
}

}  // namespace imago
