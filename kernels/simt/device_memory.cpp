// Makes the emulator's memory a device of imago. Every block is a fresh one, so that what was never written, and what
// lies beyond the end, is noticed.
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/device/memory.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/stream.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

void copy(void* to, const void* from, size_t bytes, Stream stream) {
  ::simt::enqueue(static_cast<::simt::Stream>(stream.handle), [=] {
    std::memmove(to, from, bytes);
    ::simt::memory_written_by_host(to, bytes);
  });
}

}  // namespace

const DeviceMemory kDeviceMemory{
    .allocate = [](size_t bytes) { return ::simt::memory_allocate(bytes); },
    .release = [](void* memory) noexcept { ::simt::memory_release(memory); },
    .capacity = [] { return memory_capacity(Device::cpu); },
    .copy = copy,
    .fill = fill,
    .convert = convert,
    .open_to_host = [](const void* memory, size_t bytes) { ::simt::memory_written_by_host(memory, bytes); },
    .allocate_pinned = [](size_t bytes) { return std::malloc(bytes); },
    .release_pinned = [](void* memory) noexcept { std::free(memory); },
    .on_host = true,
    .cached = false,
};

namespace {

const bool registered = (register_with_imago(), true);

}  // namespace

}  // namespace imago::kernels::IMAGO_BACKEND
