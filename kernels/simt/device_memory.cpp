// Makes the emulator's memory a device of imago. Every block is a fresh one, so that what was never written, and what
// lies beyond the end, is noticed.
#include <cstring>

#include "kernels/cuda/device/memory.h"
#include "kernels/simt/memory.h"

namespace imago::kernels::IMAGO_BACKEND {

const DeviceMemory kDeviceMemory{
    .allocate = [](size_t bytes) { return ::simt::memory_allocate(bytes); },
    .release = [](void* memory) noexcept { ::simt::memory_release(memory); },
    .copy =
        [](void* to, const void* from, size_t bytes) {
          std::memmove(to, from, bytes);
          ::simt::memory_written_by_host(to, bytes);
        },
    .open_to_host = [](const void* memory, size_t bytes) { ::simt::memory_written_by_host(memory, bytes); },
    .on_host = true,
    .cached = false,
};

namespace {

const bool registered = (register_with_imago(), true);

}  // namespace

}  // namespace imago::kernels::IMAGO_BACKEND
