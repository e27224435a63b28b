#include "core/stream.h"

#include <array>
#include <utility>

#include "core/check.h"
#include "core/device_memory.h"
#include "core/device_queues.h"
#include "core/recording.h"

namespace imago {
namespace {

// The streams of this thread's innermost StreamScopes; null where there is none.
constinit thread_local std::array<void*, 3> chosen{};
void*& chosen_for(Device device) { return chosen[static_cast<size_t>(device)]; }

}  // namespace

Stream current_stream(Device device) {
  void* stream = chosen_for(device);
  return {stream ? stream : device_queues(device).default_stream()};
}

OwnedStream::OwnedStream(Device device) : device_(device), handle_(device_queues(device).create_stream()) {}
OwnedStream::~OwnedStream() { device_queues(device_).destroy_stream(handle_); }
void OwnedStream::synchronize() const { device_queues(device_).synchronize(handle_); }

StreamScope::StreamScope(const OwnedStream& stream)
    : device_(stream.device()), before_(std::exchange(chosen_for(device_), stream.get().handle)) {}
StreamScope::~StreamScope() { chosen_for(device_) = before_; }

Event::Event(Device device) : device_(device), handle_(device_queues(device).create_event()) {}
Event::~Event() { device_queues(device_).destroy_event(handle_); }

void Event::record() {
  IMAGO_CHECK(recording(device_) == Recording::none, "Event::record: no event happens while work is recorded");
  device_queues(device_).record(handle_, current_stream(device_).handle);
}
bool Event::has_happened() const { return device_queues(device_).has_happened(handle_); }
void Event::synchronize() const { device_queues(device_).await(handle_); }

void wait_for(const Event& event) {
  IMAGO_CHECK(recording(event.device_) == Recording::none, "wait_for: nothing waits while work is recorded");
  device_queues(event.device_).wait(current_stream(event.device_).handle, event.handle_);
}

double elapsed_milliseconds(const Event& start, const Event& stop) {
  IMAGO_CHECK(start.device_ == stop.device_, "elapsed_milliseconds: events must be of one device, got ", start.device_,
              " and ", stop.device_);
  start.synchronize();
  stop.synchronize();
  return device_queues(start.device_).milliseconds(start.handle_, stop.handle_);
}

}  // namespace imago
