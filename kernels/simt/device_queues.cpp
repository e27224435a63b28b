// Makes the emulator's streams, events and graphs those of a device of imago.
#include "kernels/cuda/device/memory.h"
#include "kernels/simt/stream.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

::simt::Stream stream_of(void* stream) { return static_cast<::simt::Stream>(stream); }
::simt::Event event_of(void* event) { return static_cast<::simt::Event>(event); }

CapturedWork end_capture(void* stream) {
  auto* graph = new ::simt::Graph(::simt::end_capture(stream_of(stream)));
  return {.graph = graph, .size = graph->size()};
}

}  // namespace

const DeviceQueues kDeviceQueues{
    .default_stream = []() -> void* { return nullptr; },
    .create_stream = []() -> void* { return ::simt::stream_create(); },
    .destroy_stream = [](void* stream) noexcept { ::simt::stream_destroy(stream_of(stream)); },
    .synchronize = [](void*) {},
    .wait = [](void* stream, void* event) { ::simt::stream_wait_event(stream_of(stream), event_of(event)); },
    .create_event = []() -> void* { return ::simt::event_create(); },
    .destroy_event = [](void* event) noexcept { ::simt::event_destroy(event_of(event)); },
    .record = [](void* event, void* stream) { ::simt::event_record(event_of(event), stream_of(stream)); },
    .has_happened = [](void*) { return true; },
    .await = [](void* event) { ::simt::event_synchronize(event_of(event)); },
    .milliseconds =
        [](void* start, void* stop) { return ::simt::elapsed_milliseconds(event_of(start), event_of(stop)); },
    .begin_capture = [](void* stream) { ::simt::begin_capture(stream_of(stream)); },
    .end_capture = end_capture,
    .abandon_capture = [](void* stream) noexcept { ::simt::end_capture(stream_of(stream)); },
    .launch = [](void* graph, void* stream) { static_cast<::simt::Graph*>(graph)->launch(stream_of(stream)); },
    .destroy_graph = [](void* graph) noexcept { delete static_cast<::simt::Graph*>(graph); },
};

}  // namespace imago::kernels::IMAGO_BACKEND
