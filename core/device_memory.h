// What a device has to be able to do with memory. The CPU is built in; others register before main (kernels/backend.h).
#pragma once

#include <cstddef>

#include "core/device.h"

namespace imago {

struct DeviceMemory {
  // Contents undefined. Null when there is no more; throws where the device itself cannot be used.
  void* (*allocate)(size_t bytes);
  void (*release)(void* memory) noexcept;
  // Either side may be the host's. Has happened when the call returns.
  void (*copy)(void* to, const void* from, size_t bytes);
  // Called before the host looks at or changes memory of the device: waits for the device's work.
  void (*open_to_host)(const void* memory, size_t bytes);
  bool on_host;  // whether host code may use such memory at all
  bool cached;   // whether released blocks are worth keeping
};

void register_device(Device device, const DeviceMemory& memory);
bool has_device(Device device);
// Throws when this build has no such device.
const DeviceMemory& device_memory(Device device);
// Waits until all work that was given to the device is done.
inline void synchronize(Device device) { device_memory(device).open_to_host(nullptr, 0); }

}  // namespace imago
