// Marks functions that run on the host and in CUDA kernels.
#pragma once

#if defined(__CUDACC__)
#define IMAGO_HOST_DEVICE __host__ __device__
#else
#define IMAGO_HOST_DEVICE
#endif
