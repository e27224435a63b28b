// What the table needs of the device that is being compiled for: a GPU (kernels/cuda/memory_cuda.cu, queues_cuda.cu) or
// the emulator (kernels/simt/device_memory.cpp, device_queues.cpp).
#pragma once

#include "core/device_memory.h"
#include "core/device_queues.h"

namespace imago::kernels::IMAGO_BACKEND {

extern const DeviceMemory kDeviceMemory;
extern const DeviceQueues kDeviceQueues;

// Two of kDeviceMemory's entries are kernels, the same for both (kernels/cuda/convert.cu).
void fill(void* to, DType dtype, int64_t n, double value, Stream stream);
void convert(void* to, DType to_type, const void* from, DType from_type, int64_t n, Stream stream);

// Makes memory, queues and table known to core and kernels. Called before main.
void register_with_imago();

}  // namespace imago::kernels::IMAGO_BACKEND
