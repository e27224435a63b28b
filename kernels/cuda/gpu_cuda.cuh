// Whether there is a GPU to use, for memory_cuda.cu and queues_cuda.cu.
#pragma once

#include "kernels/cuda/device/portable.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// Throws, each time again, unless kernels can run; one sentence for each reason why not.
void need_gpu();
// Throws unless the call was a success: "cuda: `what`: " and what CUDA says.
void check(cudaError_t error, const char* what);

}  // namespace imago::kernels::IMAGO_BACKEND
