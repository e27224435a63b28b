// The GPU's streams, events and graphs as those of a device of imago.
#include <cuda_runtime.h>

#include "core/check.h"
#include "kernels/cuda/device/memory.h"
#include "kernels/cuda/gpu_cuda.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }

void* create_stream() {
  need_gpu();
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream cannot be made");
  return stream;
}

// CUDA's own default stream cannot be captured, and waits for others: here it is never used. All threads share this,
// so that what they do happens in the order in which they do it. Lives as long as the program.
void* default_stream() {
  static void* const stream = create_stream();
  return stream;
}

void* create_event() {
  need_gpu();
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "an event cannot be made");
  return event;
}

bool has_happened(void* event) {
  const cudaError_t state = cudaEventQuery(event_of(event));
  if (state == cudaErrorNotReady) cudaGetLastError();  // or the next launch would report it
  else check(state, "work before an event failed");
  return state == cudaSuccess;
}

double milliseconds(void* start, void* stop) {
  float elapsed = 0;
  const cudaError_t error = cudaEventElapsedTime(&elapsed, event_of(start), event_of(stop));
  if (error == cudaErrorInvalidResourceHandle) cudaGetLastError();
  IMAGO_CHECK(error != cudaErrorInvalidResourceHandle, "elapsed_milliseconds: both events must have been recorded");
  check(error, "the time between two events cannot be told");
  return elapsed;
}

// Relaxed: memory may be allocated meanwhile, by this thread and by others, and is not part of the graph.
void begin_capture(void* stream) {
  check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeRelaxed), "a capture cannot begin");
}

CapturedWork end_capture(void* stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_of(stream), &graph), "a capture failed");
  CapturedWork work;
  cudaGraphExec_t ready = nullptr;
  const cudaError_t counted = cudaGraphGetNodes(graph, nullptr, &work.size);
  const cudaError_t made = cudaGraphInstantiate(&ready, graph, 0);
  cudaGraphDestroy(graph);
  check(counted, "captured work cannot be counted");
  check(made, "captured work cannot be made a graph");
  work.graph = ready;
  return work;
}

void abandon_capture(void* stream) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream_of(stream), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();  // why it was abandoned is known already
}

}  // namespace

const DeviceQueues kDeviceQueues{
    .default_stream = default_stream,
    .create_stream = create_stream,
    .destroy_stream = [](void* stream) noexcept { cudaStreamDestroy(stream_of(stream)); },
    .synchronize = [](void* stream) { check(cudaStreamSynchronize(stream_of(stream)), "earlier work failed"); },
    .wait =
        [](void* stream, void* event) {
          check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0), "a stream cannot wait for an event");
        },
    .create_event = create_event,
    .destroy_event = [](void* event) noexcept { cudaEventDestroy(event_of(event)); },
    .record =
        [](void* event, void* stream) {
          check(cudaEventRecord(event_of(event), stream_of(stream)), "an event cannot be recorded");
        },
    .has_happened = has_happened,
    .await = [](void* event) { check(cudaEventSynchronize(event_of(event)), "work before an event failed"); },
    .milliseconds = milliseconds,
    .begin_capture = begin_capture,
    .end_capture = end_capture,
    .abandon_capture = abandon_capture,
    .launch =
        [](void* graph, void* stream) {
          check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)), "a graph cannot be launched");
        },
    .destroy_graph = [](void* graph) noexcept { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); },
};

}  // namespace imago::kernels::IMAGO_BACKEND
