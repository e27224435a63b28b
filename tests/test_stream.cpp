// Streams, events, pinned memory.
#include "core/stream.h"

#include <thread>

#include "core/device_memory.h"
#include "core/pinned_buffer.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("a StreamScope chooses this thread's stream", "[stream]") {
  const Device device = default_device();
  const Stream before = current_stream(device);
  synchronize(device);  // whose work may still be using what is allocated below, for another stream
  {
    const OwnedStream stream(device), other(device);
    CHECK(stream.get().handle != other.get().handle);
    const StreamScope scope(stream);
    CHECK(current_stream(device).handle == stream.get().handle);
    {
      const StreamScope inner(other);
      CHECK(current_stream(device).handle == other.get().handle);
    }
    CHECK(current_stream(device).handle == stream.get().handle);
    std::thread([&] { CHECK(current_stream(device).handle == before.handle); }).join();
    const Tensor x = Tensor::full({1000}, 2);
    stream.synchronize();
    CHECK(x.to_vector<float>() == std::vector<float>(1000, 2));
  }
  CHECK(current_stream(device).handle == before.handle);
}

TEST_CASE("events measure and order", "[stream]") {
  const Device device = default_device();
  Event start(device), stop(device);
  CHECK(start.has_happened());
  start.record();
  start.synchronize();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  stop.record();
  const double elapsed = elapsed_milliseconds(start, stop);
  CHECK(stop.has_happened());
  CHECK(elapsed >= 4);
  CHECK(elapsed < 60000);

  // What one stream makes is read by another behind an event.
  const OwnedStream side(device);
  Tensor x = Tensor::zeros({100000}), copy = Tensor::zeros({100000});
  x.fill(3);
  stop.record();
  {
    const StreamScope scope(side);
    wait_for(stop);
    copy.copy_from(x);
  }
  side.synchronize();
  CHECK(copy.to_vector<float>() == std::vector<float>(100000, 3));
}

TEST_CASE("events that were not recorded have no time between them", "[stream][errors]") {
  const Device device = default_device();
  Event start(device), stop(device);
  CHECK_THROWS_WITH(elapsed_milliseconds(start, stop), "elapsed_milliseconds: both events must have been recorded");
}

TEST_CASE("pinned memory is copied both ways behind the host's back", "[stream]") {
  const Device device = default_device();
  PinnedBuffer there(400, device), back(400, device);
  CHECK(back.span<float>()[99] == 0);
  for (size_t i = 0; i < 100; ++i) there.span<float>()[i] = static_cast<float>(i);
  Tensor x = Tensor::zeros({100});
  const uint64_t version = x.version();
  Event copied(device);
  there.copy_to(x);
  CHECK(x.version() > version);
  back.copy_from(x);
  copied.record();
  copied.synchronize();
  CHECK(copied.has_happened());
  for (size_t i = 0; i < 100; ++i) REQUIRE(back.span<float>()[i] == static_cast<float>(i));
}

TEST_CASE("pinned memory refuses what does not fit", "[stream][errors]") {
  const Device device = default_device();
  PinnedBuffer buffer(400, device);
  CHECK_THROWS_WITH(buffer.copy_from(Tensor::zeros({101})),
                    "PinnedBuffer::copy_from: the tensor must have at most 400 bytes, got 404");
  CHECK_THROWS_WITH(buffer.copy_to(Tensor()),
                    concat("PinnedBuffer::copy_to: the tensor must be on ", device, ", got nothing"));
  if (device != Device::cpu)
    CHECK_THROWS_WITH(buffer.copy_to(Tensor::zeros({1}, DType::f32, Device::cpu)),
                      concat("PinnedBuffer::copy_to: the tensor must be on ", device, ", got cpu"));
}

TEST_CASE("a device knows how much memory it has", "[stream]") {
  const MemoryCapacity memory = memory_capacity(default_device());
  CHECK(memory.free > 0);
  CHECK(memory.total >= memory.free);
  CHECK(memory.total >= size_t{1} << 26);
}

// Every pair of types, with values that every type is asked to round or to clamp; tails and odd addresses.
TEST_CASE("a device converts and fills as the host does", "[stream][tensor]") {
  const DType types[] = {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64, DType::u8};
  std::vector<double> numbers = {0, -0.0, 1, -1, 2.5, -2.5, 255, 256, 1e10, -1e10, 3e38, 1e300, 0.1, NAN, INFINITY,
                                 -INFINITY};
  for (int i = 0; i < 21; ++i) numbers.push_back(i * 12.34 - 100);
  const auto n = static_cast<int64_t>(numbers.size());
  const Tensor doubles = Tensor::from<double>(numbers, {n}, Device::cpu);
  // -0 is not 0 here, and all NaN are one.
  const auto same = [](const Tensor& a, const Tensor& b) {
    const auto x = a.to(Device::cpu).to_vector<double>(), y = b.to(Device::cpu).to_vector<double>();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](double u, double v) {
      return (std::isnan(u) && std::isnan(v)) || (u == v && std::signbit(u) == std::signbit(v));
    });
  };
  for (const DType from : types)
    for (const DType to : types) {
      CAPTURE(from, to);
      const Tensor here = doubles.to(from);
      const Tensor there = here.to(default_device());
      CHECK(same(there.to(to), here.to(to)));
      if (from != to) CHECK(same(shifted(there).to(to), here.to(to)));
    }
  for (const DType type : types)
    for (const double value : {0.0, 2.5, -3.0, 1e300}) {
      CAPTURE(type, value);
      Tensor t = Tensor::zeros({n}, type);
      t.view(1, {n - 2}).fill(value);
      Tensor expected = Tensor::zeros({n}, type, Device::cpu);
      expected.view(1, {n - 2}).fill(value);
      CHECK(same(t, expected));
    }
}
