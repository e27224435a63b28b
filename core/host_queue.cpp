#include "core/host_queue.h"

#include <chrono>
#include <optional>

#include "core/check.h"

namespace imago {
namespace {

using Clock = std::chrono::steady_clock;
using HostEvent = std::optional<Clock::time_point>;
using HostGraph = std::vector<std::function<void()>>;

HostQueue* queue_of(void* stream) { return static_cast<HostQueue*>(stream); }
HostEvent& event_of(void* event) { return *static_cast<HostEvent*>(event); }

double milliseconds(void* start, void* stop) {
  const HostEvent &from = event_of(start), &to = event_of(stop);
  IMAGO_CHECK(from && to, "elapsed_milliseconds: both events must have been recorded");
  return std::chrono::duration<double, std::milli>(*to - *from).count();
}

CapturedWork end_capture(void* stream) {
  HostQueue& queue = *queue_of(stream);
  queue.capturing = false;
  const size_t size = queue.kept.size();
  return {.graph = new HostGraph(std::exchange(queue.kept, {})), .size = size};
}

void launch(void* graph, void*) {
  const MemorySourceScope scratch(Device::cpu, nullptr);
  for (const auto& work : *static_cast<const HostGraph*>(graph)) work();
}

}  // namespace

const DeviceQueues kHostQueues{
    .default_stream = []() -> void* { return nullptr; },
    .create_stream = []() -> void* { return new HostQueue; },
    .destroy_stream = [](void* stream) noexcept { delete queue_of(stream); },
    .synchronize = [](void*) {},
    .wait = [](void*, void*) {},
    .create_event = []() -> void* { return new HostEvent; },
    .destroy_event = [](void* event) noexcept { delete &event_of(event); },
    .record = [](void* event, void*) { event_of(event) = Clock::now(); },
    .has_happened = [](void*) { return true; },
    .await = [](void*) {},
    .milliseconds = milliseconds,
    .begin_capture = [](void* stream) { queue_of(stream)->capturing = true; },
    .end_capture = end_capture,
    .abandon_capture = [](void* stream) noexcept { *queue_of(stream) = {}; },
    .launch = launch,
    .destroy_graph = [](void* graph) noexcept { delete static_cast<HostGraph*>(graph); },
};

}  // namespace imago
