#include "kernels/cuda/gpu_cuda.cuh"

#include <cuda_runtime.h>

#include <cstdlib>
#include <string>

#include "core/check.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

__global__ void probe_kernel() {}

// 13000 is CUDA 13.0, 12040 is 12.4.
std::string cuda_version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
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

}  // namespace

void need_gpu() {
  static const bool usable = (check_driver(), check_code(), true);
  (void)usable;
}

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) cudaGetLastError();  // forgets it, or the next launch would report it
  IMAGO_CHECK(error == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(error));
}

}  // namespace imago::kernels::IMAGO_BACKEND
