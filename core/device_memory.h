// What a device has to be able to do with memory. The CPU is built in; others register before main (kernels/backend.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"
#include "core/dtype.h"

namespace imago {

struct DeviceQueues;  // core/device_queues.h

struct MemoryCapacity {
  size_t free = 0;  // bytes that nobody in the machine uses
  size_t total = 0;
};

struct DeviceMemory {
  // Contents undefined. Null when there is no more; throws where the device itself cannot be used.
  void* (*allocate)(size_t bytes);
  void (*release)(void* memory) noexcept;
  MemoryCapacity (*capacity)();

  // Queued on the stream. Either side of a copy may be the host's memory, which then has to stay until it has happened.
  void (*copy)(void* to, const void* from, size_t bytes, Stream stream);
  // n elements become `value`, rounded as by Tensor::to().
  void (*fill)(void* to, DType dtype, int64_t n, double value, Stream stream);
  // n elements, converted as by Tensor::to().
  void (*convert)(void* to, DType to_type, const void* from, DType from_type, int64_t n, Stream stream);

  // Called before the host looks at or changes memory of the device: waits for this thread's current stream.
  void (*open_to_host)(const void* memory, size_t bytes);
  // Memory of the host that the device copies to and from by itself. Null when there is no more.
  void* (*allocate_pinned)(size_t bytes);
  void (*release_pinned)(void* memory) noexcept;

  bool on_host;  // whether host code may use the device's memory at all
  bool cached;   // whether released blocks are worth keeping
};

void register_device(Device device, const DeviceMemory& memory, const DeviceQueues& queues);
bool has_device(Device device);
// Both throw when this build has no such device.
const DeviceMemory& device_memory(Device device);
const DeviceQueues& device_queues(Device device);

inline MemoryCapacity memory_capacity(Device device) { return device_memory(device).capacity(); }

// Waits until all work that was given to current_stream(device) is done.
void synchronize(Device device);

}  // namespace imago
