// What the table needs of the device that is being compiled for: a GPU (kernels/cuda/memory_cuda.cu) or the emulator
// (kernels/simt/device_memory.cpp).
#pragma once

#include "core/device_memory.h"

namespace imago::kernels::IMAGO_BACKEND {

extern const DeviceMemory kDeviceMemory;

// Makes memory and table known to core and kernels. Called before main.
void register_with_imago();

}  // namespace imago::kernels::IMAGO_BACKEND
