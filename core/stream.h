// Streams and events. Work of one stream is done in the order in which it was given; between streams only events say
// what comes first. All work goes to the one stream that a device has by itself, unless a StreamScope says otherwise.
//
// The allocator hands released memory out again at once, which is right as long as the new owner's work goes to the
// same stream. So models compute on one stream; another one is for copies to and from the host (core/pinned_buffer.h),
// whose memory lives until an event says that they have happened.
#pragma once

#include "core/device.h"

namespace imago {

class OwnedStream {
 public:
  explicit OwnedStream(Device device);
  ~OwnedStream();
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;

  Stream get() const { return {handle_}; }
  Device device() const { return device_; }
  void synchronize() const;  // waits until all work that was given to it is done

 private:
  Device device_;
  void* handle_;
};

// While it lives, the stream is the current one of its device, for this thread.
class StreamScope {
 public:
  explicit StreamScope(const OwnedStream& stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Device device_;
  void* before_;
};

// A point in a stream. It may be recorded again, which forgets where it was before.
class Event {
 public:
  explicit Event(Device device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  Device device() const { return device_; }
  // Happens when all work that was given to the device's current stream up to now is done.
  void record();
  bool has_happened() const;  // true before the first record(), too
  void synchronize() const;   // waits until it has happened

 private:
  friend void wait_for(const Event& event);
  friend double elapsed_milliseconds(const Event& start, const Event& stop);
  Device device_;
  void* handle_;
};

// Work that is given to the current stream of the event's device from now on is done after the event. Does not wait.
void wait_for(const Event& event);
// Between two events that were recorded; waits for them to happen.
double elapsed_milliseconds(const Event& start, const Event& stop);

}  // namespace imago
