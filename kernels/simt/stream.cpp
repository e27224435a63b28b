// Streams that run at once or record; see stream.h.
#include "kernels/simt/stream.h"

#include <chrono>
#include <optional>

#include "core/check.h"

namespace simt {

struct StreamState {
  bool capturing = false;
  std::vector<std::function<void()>> captured;
};

Stream stream_create() { return new StreamState; }
void stream_destroy(Stream stream) { delete stream; }

void enqueue(Stream stream, std::function<void()> work) {
  if (is_capturing(stream))
    stream->captured.push_back(std::move(work));
  else
    work();
}

bool is_capturing(Stream stream) { return stream && stream->capturing; }

void begin_capture(Stream stream) {
  IMAGO_CHECK(stream, "begin_capture: stream must not be the default stream");
  IMAGO_CHECK(!stream->capturing, "begin_capture: stream must not be capturing already");
  stream->capturing = true;
}

Graph end_capture(Stream stream) {
  IMAGO_CHECK(is_capturing(stream), "end_capture: stream must be capturing");
  Graph graph;
  graph.work_ = std::move(stream->captured);
  stream->captured.clear();
  stream->capturing = false;
  return graph;
}

void Graph::launch(Stream stream) const {
  for (const auto& work : work_) enqueue(stream, work);
}

struct EventState {
  std::optional<std::chrono::steady_clock::time_point> time;
};

Event event_create() { return new EventState; }
void event_destroy(Event event) { delete event; }
void event_record(Event event, Stream stream) {
  enqueue(stream, [event] { event->time = std::chrono::steady_clock::now(); });
}
void event_synchronize(Event) {}
void stream_wait_event(Stream, Event) {}
double elapsed_milliseconds(Event start, Event stop) {
  IMAGO_CHECK(start->time && stop->time, "elapsed_milliseconds: both events must have been recorded");
  return std::chrono::duration<double, std::milli>(*stop->time - *start->time).count();
}

}  // namespace simt
