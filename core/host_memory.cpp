#include "core/host_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "core/allocator.h"
#include "core/element_cast.h"
#include "core/host_queue.h"
#include "core/parallel.h"

namespace imago {
namespace {

constexpr int64_t kGrain = 1 << 16;

void copy(void* to, const void* from, size_t bytes, Stream stream) {
  queue_on_host(stream, [=] { std::memmove(to, from, bytes); });
}

void fill(void* to, DType dtype, int64_t n, double value, Stream stream) {
  queue_on_host(stream, [=] {
    visit_element(dtype, "fill", [&]<typename T>() {
      T* y = static_cast<T*>(to);
      const T v = element_cast<T>(value);
      parallel_chunks(n, kGrain, [=](int64_t begin, int64_t end) { std::fill(y + begin, y + end, v); });
    });
  });
}

void convert(void* to, DType to_type, const void* from, DType from_type, int64_t n, Stream stream) {
  queue_on_host(stream, [=] {
    visit_element(to_type, "convert", [&]<typename To>() {
      visit_element(from_type, "convert", [&]<typename From>() {
        const From* x = static_cast<const From*>(from);
        To* y = static_cast<To*>(to);
        parallel_chunks(n, kGrain, [=](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) y[i] = element_cast<To>(x[i]);
        });
      });
    });
  });
}

// The first number in a file, 0 if there is none: "max", in a control group without a limit.
size_t number_in(const char* path) {
  size_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

// Linux keeps files in memory that nobody else wants, so "available" is what counts, not "free". A control group, a
// container say, may have less than the machine.
MemoryCapacity capacity() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  MemoryCapacity memory{.free = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page,
                        .total = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page};
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key, unit; meminfo >> key && key != "MemAvailable:";) std::getline(meminfo, unit);
  size_t kibibytes = 0;
  if (meminfo >> kibibytes) memory.free = kibibytes * 1024;
  const size_t limit = number_in("/sys/fs/cgroup/memory.max"), used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && limit < memory.total)
    memory = {.free = std::min(memory.free, limit - std::min(limit, used)), .total = limit};
  return memory;
}

void* allocate(size_t bytes) {
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

const DeviceMemory kHostMemory{
    .allocate = allocate,
    .release = [](void* memory) noexcept { std::free(memory); },
    .capacity = capacity,
    .copy = copy,
    .fill = fill,
    .convert = convert,
    .open_to_host = [](const void*, size_t) {},
    .allocate_pinned = allocate,
    .release_pinned = [](void* memory) noexcept { std::free(memory); },
    .on_host = true,
    .cached = true,
};

}  // namespace imago
