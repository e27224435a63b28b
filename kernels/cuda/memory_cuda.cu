// The GPU's memory as a device of imago, and one sentence for each reason why there may be no GPU to use.
#include <cuda_runtime.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "core/check.h"
#include "kernels/cuda/device/memory.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// With $IMAGO_CUDA_MANAGED=1 memory is the host's and the GPU's at the same time, and moves between them as it is used:
// slower, but Tensor::data() works, which is what tests want.
std::string_view managed_wish() {
  const char* wish = std::getenv("IMAGO_CUDA_MANAGED");
  return wish ? wish : "0";
}
const bool kManaged = managed_wish() == "1";

__global__ void probe_kernel() {}

// 13000 is CUDA 13.0, 12040 is 12.4.
std::string cuda_version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

void check(cudaError_t error, const char* what) {
  IMAGO_CHECK(error == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(error));
}

// The runtime calls a missing driver an old one, and an old one by no number.
void check_driver() {
  int driver = 0, devices = 0;
  check(cudaDriverGetVersion(&driver), "the driver's version cannot be read");
  IMAGO_CHECK(driver != 0, "cuda: this machine has no NVIDIA driver, or it is not loaded");
  const cudaError_t error = cudaGetDeviceCount(&devices);
  IMAGO_CHECK(error != cudaErrorInsufficientDriver, "cuda: the NVIDIA driver must support CUDA ",
              cuda_version(CUDART_VERSION), ", which this build is made with, got one for CUDA ", cuda_version(driver));
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  IMAGO_CHECK(error != cudaErrorNoDevice, "cuda: the NVIDIA driver finds no GPU",
              visible ? std::string(" among CUDA_VISIBLE_DEVICES=") + visible : std::string());
  check(error, "GPUs cannot be counted");
}

// Whether there is machine code, or PTX that this driver translates, for the GPU at hand.
void check_code() {
  int device = 0;
  cudaDeviceProp gpu;
  cudaFuncAttributes attributes;
  check(cudaGetDevice(&device), "the GPU cannot be chosen");
  check(cudaGetDeviceProperties(&gpu, device), "the GPU cannot be asked what it is");
  const cudaError_t error = cudaFuncGetAttributes(&attributes, probe_kernel);
  const bool no_code = error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
                       error == cudaErrorUnsupportedPtxVersion;
  IMAGO_CHECK(!no_code, "cuda: this build has no code for ", gpu.name, ", of compute capability ", gpu.major, ".",
              gpu.minor, "; configure it with -DCMAKE_CUDA_ARCHITECTURES=", gpu.major, gpu.minor);
  check(error, "kernels cannot be loaded");
}

// Throws, each time again, unless kernels can run.
void need_gpu() {
  static const bool usable = [] {
    const std::string_view wish = managed_wish();
    IMAGO_CHECK(wish == "0" || wish == "1", "IMAGO_CUDA_MANAGED: must be 0 or 1, got '", wish, "'");
    check_driver();
    check_code();
    return true;
  }();
  (void)usable;
}

void* allocate(size_t bytes) {
  need_gpu();
  void* memory = nullptr;
  const cudaError_t error = kManaged ? cudaMallocManaged(&memory, bytes) : cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it
    return nullptr;
  }
  check(error, "memory cannot be allocated");
  return memory;
}

void release(void* memory) noexcept { cudaFree(memory); }

// What comes from or goes to the host has happened when cudaMemcpy returns. A copy within the device is ordered before
// later work of the default stream, and the host sees memory through open_to_host() only.
void copy(void* to, const void* from, size_t bytes) {
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "memory cannot be copied");
  if (kManaged) check(cudaDeviceSynchronize(), "work before a copy failed");
}

void open_to_host(const void*, size_t) { check(cudaDeviceSynchronize(), "earlier work failed"); }

}  // namespace

const DeviceMemory kDeviceMemory{
    .allocate = allocate,
    .release = release,
    .copy = copy,
    .open_to_host = open_to_host,
    .on_host = kManaged,
    .cached = true,
};

}  // namespace imago::kernels::IMAGO_BACKEND
