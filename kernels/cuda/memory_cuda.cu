// The GPU's memory as a device of imago.
#include <cuda_runtime.h>

#include <cstdlib>
#include <string_view>

#include "core/check.h"
#include "kernels/cuda/device/memory.h"
#include "kernels/cuda/gpu_cuda.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// With $IMAGO_CUDA_MANAGED=1 memory is the host's and the GPU's at the same time, and moves between them as it is used:
// slower, but Tensor::data() works, which is what tests want.
std::string_view managed_wish() {
  const char* wish = std::getenv("IMAGO_CUDA_MANAGED");
  return wish ? wish : "0";
}
const bool kManaged = managed_wish() == "1";

// Null where `error` says that there is no more.
void* checked(cudaError_t error, void* memory, const char* what) {
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it
    return nullptr;
  }
  check(error, what);
  return memory;
}

void* allocate(size_t bytes) {
  const std::string_view wish = managed_wish();
  IMAGO_CHECK(wish == "0" || wish == "1", "IMAGO_CUDA_MANAGED: must be 0 or 1, got '", wish, "'");
  need_gpu();
  void* memory = nullptr;
  const cudaError_t error = kManaged ? cudaMallocManaged(&memory, bytes) : cudaMalloc(&memory, bytes);
  return checked(error, memory, "memory cannot be allocated");
}

void* allocate_pinned(size_t bytes) {
  need_gpu();
  void* memory = nullptr;
  const cudaError_t error = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
  return checked(error, memory, "memory of the host cannot be pinned");
}

MemoryCapacity capacity() {
  need_gpu();
  MemoryCapacity memory;
  check(cudaMemGetInfo(&memory.free, &memory.total), "free memory cannot be asked for");
  return memory;
}

void copy(void* to, const void* from, size_t bytes, Stream stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream.handle)),
        "memory cannot be copied");
}

}  // namespace

const DeviceMemory kDeviceMemory{
    .allocate = allocate,
    .release = [](void* memory) noexcept { cudaFree(memory); },
    .capacity = capacity,
    .copy = copy,
    .fill = fill,
    .convert = convert,
    .open_to_host = [](const void*, size_t) { synchronize(Device::IMAGO_DEVICE); },
    .allocate_pinned = allocate_pinned,
    .release_pinned = [](void* memory) noexcept { cudaFreeHost(memory); },
    .on_host = kManaged,
    .cached = true,
};

}  // namespace imago::kernels::IMAGO_BACKEND
