// Streams, events and graphs of the emulator. A stream does at once what it is given, unless it is being captured: then
// the work is kept, arguments by value, and a Graph does it as often as asked.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace simt {

struct StreamState;
using Stream = StreamState*;  // null is the default stream

Stream stream_create();
void stream_destroy(Stream stream);

// Runs `work` in the stream's order: now, or whenever the graph that is being captured is launched.
void enqueue(Stream stream, std::function<void()> work);

class Graph {
 public:
  size_t size() const { return work_.size(); }
  void launch(Stream stream) const;

 private:
  friend Graph end_capture(Stream stream);
  std::vector<std::function<void()>> work_;
};

void begin_capture(Stream stream);
Graph end_capture(Stream stream);
bool is_capturing(Stream stream);

// A point in a stream. There is nothing to wait for, since work is done by the time that its call returns; events tell
// how long it took.
struct EventState;
using Event = EventState*;
Event event_create();
void event_destroy(Event event);
void event_record(Event event, Stream stream);
void event_synchronize(Event event);
void stream_wait_event(Stream stream, Event event);
double elapsed_milliseconds(Event start, Event stop);

}  // namespace simt
