// Launches: what is refused, errors and what follows them, orders, workers, streams and graphs.
#include <set>

#include "support.h"

namespace simt::tests {
namespace {

using Catch::Matchers::Contains;

__global__ void diverging(int* y, int limit) {
  SIMT_SHARED(int, s, [128]);
  s[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (static_cast<int>(threadIdx.x) < limit)
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x] = s[127 - threadIdx.x];
}

TEST_CASE("a launch after a failed one notices nothing of it") {
  for (const int limit : {128, 50, 128, 7, 1, 128}) {
    DeviceArray<int> y(128);
    const std::string error = error_of([&] { launch(diverging, 1, 128, 0, nullptr, y.data(), limit); });
    CHECK(error.empty() == (limit == 128));
    if (!error.empty()) continue;
    for (int i = 0; i < 128; ++i) CHECK(y.read()[static_cast<size_t>(i)] == 127 - i);
  }
}

TEST_CASE("launches that a device would refuse are refused, by name") {
  DeviceArray<int> y(1);
  const auto refused = [&](dim3 grid, dim3 block, size_t bytes) {
    return error_of([&] { launch(diverging, grid, block, bytes, nullptr, y.data(), 1); });
  };
  CHECK_THAT(refused(1, 2048, 0), Contains("diverging: a block must have 1 to 1024 threads, got (2048, 1, 1)"));
  CHECK_THAT(refused(1, dim3(1, 1, 65), 0), Contains("a block must have"));
  CHECK_THAT(refused(0, 32, 0), Contains("a grid must have 1 to 2147483647 x 65535 x 65535 blocks, got (0, 1, 1)"));
  CHECK_THAT(refused(dim3(1, 65536), 32, 0), Contains("a grid must have"));
  CHECK_THAT(refused(1, 32, 300000), Contains("dynamic shared memory must be at most 232448 bytes, got 300000"));
}

__global__ void much_static_shared(float* y) {
  SIMT_SHARED(float, s, [49 * 256]);
  y[0] = s[0];
}

TEST_CASE("static shared memory has its limit too") {
  DeviceArray<float> y(1);
  CHECK_THAT(error_of([&] { launch(much_static_shared, 1, 1, 0, nullptr, y.data()); }),
             Contains("too much shared memory: 50176 static bytes up to \"s\""));
}

__global__ void some_static_shared(float* y) {
  SIMT_SHARED(float, s, [20 * 256]);
  s[0] = 1;
  y[0] = s[0];
}

TEST_CASE("static and dynamic shared memory are 48 KB together unless a kernel asks for more") {
  DeviceArray<float> y(1);
  const auto error_with = [&](size_t dynamic) {
    return error_of([&] { launch(some_static_shared, 1, 1, dynamic, nullptr, y.data()); });
  };
  CHECK(error_with(28 * 1024).empty());
  CHECK_THAT(error_with(32 * 1024),
             Contains("too much shared memory: 20480 static bytes up to \"s\" and 32768 dynamic ones"));
  CHECK(error_with(32 * 1024 + 16).empty());  // launch() asks
}

// Threads append their number to a list: the order in which they run.
__global__ void append(int* list, int* count) { list[atomicAdd(count, 1)] = static_cast<int>(threadIdx.x); }

std::vector<int> running_order(Order order, uint64_t seed) {
  ScopedOptions scope(order, seed);
  DeviceArray<int> list(96), count(std::vector<int>{0});
  launch(append, 1, 96, 0, nullptr, list.data(), count.data());
  return list.read();
}

TEST_CASE("threads run forward, in reverse, or shuffled by a seed") {
  const auto forward = running_order(Order::forward, 1), reverse = running_order(Order::reverse, 1);
  for (int i = 0; i < 96; ++i) {
    CHECK(forward[static_cast<size_t>(i)] == i);
    CHECK(reverse[static_cast<size_t>(i)] == 95 - i);
  }
  const auto a = running_order(Order::shuffled, 1), b = running_order(Order::shuffled, 2);
  CHECK(a == running_order(Order::shuffled, 1));
  CHECK(a != b);
  CHECK(a != forward);
  CHECK(std::set<int>(a.begin(), a.end()).size() == 96);
}

__global__ void count_blocks(int* counts) {
  if (threadIdx.x == 0) atomicAdd(&counts[blockIdx.x], 1);
}

TEST_CASE("every block runs once, whatever the number of workers") {
  for (const unsigned workers : {1u, 2u, 5u}) {
    const unsigned saved = options().workers;
    if (!kChecking) options().workers = workers;
    DeviceArray<int> counts(std::vector<int>(1000, 0));
    launch(count_blocks, 1000, 32, 0, nullptr, counts.data());
    for (const int n : counts.read()) CHECK(n == 1);
    options().workers = saved;
  }
}

__global__ void add(float* x, float value) { x[threadIdx.x] += value; }

TEST_CASE("a captured graph does its work when it is launched, with the arguments of the capture") {
  DeviceArray<float> x(std::vector<float>(32, 0));
  const Stream stream = stream_create();
  begin_capture(stream);
  CHECK(is_capturing(stream));
  float value = 1;
  launch(add, 1, 32, 0, stream, x.data(), value);
  value = 100;
  bool ran = false;
  enqueue(stream, [&] { ran = true; });
  launch(add, 1, 32, 0, stream, x.data(), 2.0f);
  const Graph graph = end_capture(stream);
  CHECK(graph.size() == 3);
  CHECK_FALSE(ran);
  CHECK(x.read()[5] == 0);
  graph.launch(stream);
  CHECK(ran);
  CHECK(x.read()[5] == 3);
  graph.launch(nullptr);
  CHECK(x.read()[31] == 6);
  launch(add, 1, 32, 0, stream, x.data(), 1.0f);  // no longer captured
  CHECK(x.read()[5] == 7);
  stream_destroy(stream);
}

TEST_CASE("a graph may be captured into another") {
  DeviceArray<float> x(std::vector<float>(32, 0));
  const Stream stream = stream_create();
  begin_capture(stream);
  launch(add, 1, 32, 0, stream, x.data(), 1.0f);
  const Graph inner = end_capture(stream);
  begin_capture(stream);
  inner.launch(stream);
  inner.launch(stream);
  const Graph outer = end_capture(stream);
  CHECK(x.read()[0] == 0);
  outer.launch(stream);
  CHECK(x.read()[0] == 2);
  stream_destroy(stream);
}

TEST_CASE("captures that make no sense are errors") {
  CHECK_THAT(error_of([] { begin_capture(nullptr); }), Contains("must not be the default stream"));
  const Stream stream = stream_create();
  CHECK_THAT(error_of([&] { end_capture(stream); }), Contains("end_capture: stream must be capturing"));
  begin_capture(stream);
  CHECK_THAT(error_of([&] { begin_capture(stream); }), Contains("must not be capturing already"));
  stream_destroy(stream);
}

TEST_CASE("events tell how long work took") {
  DeviceArray<float> x(std::vector<float>(32, 0));
  const Event start = event_create(), stop = event_create();
  CHECK_THAT(error_of([&] { elapsed_milliseconds(start, stop); }), Contains("must have been recorded"));
  event_record(start, nullptr);
  launch(add, 1, 32, 0, nullptr, x.data(), 1.0f);
  event_record(stop, nullptr);
  stream_wait_event(nullptr, stop);
  event_synchronize(stop);
  CHECK(elapsed_milliseconds(start, stop) > 0);
  event_destroy(start);
  event_destroy(stop);
}

}  // namespace
}  // namespace simt::tests
