// What a device has to be able to do with queues of work: streams, points in them, and work that is kept to be done
// again. core/stream.h and core/graph.h are what to use; this is the table behind them.
#pragma once

#include <cstddef>

namespace imago {

// Work that was captured, ready to be launched.
struct CapturedWork {
  void* graph = nullptr;
  size_t size = 0;  // kernels, fills and copies
};

// Streams, events and graphs are handles of the device.
struct DeviceQueues {
  void* (*default_stream)();  // the one for everybody who does not ask for another
  void* (*create_stream)();
  void (*destroy_stream)(void* stream) noexcept;
  void (*synchronize)(void* stream);        // returns when all that was given to the stream is done
  void (*wait)(void* stream, void* event);  // what is given to the stream from now on is done after the event

  void* (*create_event)();
  void (*destroy_event)(void* event) noexcept;
  void (*record)(void* event, void* stream);  // the event happens when all that was given to the stream is done
  bool (*has_happened)(void* event);
  void (*await)(void* event);
  double (*milliseconds)(void* start, void* stop);  // between two events that have happened

  // From begin to end, what is given to the stream is kept and not done. abandon_capture ends it after an error.
  void (*begin_capture)(void* stream);
  CapturedWork (*end_capture)(void* stream);
  void (*abandon_capture)(void* stream) noexcept;
  void (*launch)(void* graph, void* stream);
  void (*destroy_graph)(void* graph) noexcept;
};

}  // namespace imago
