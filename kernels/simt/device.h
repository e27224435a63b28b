// CUDA's device language for the host's compiler: all that kernels/cuda/device/portable.cuh needs.
#pragma once

#include "kernels/simt/atomics.h"
#include "kernels/simt/barrier.h"
#include "kernels/simt/intrinsics.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/shared_memory.h"
#include "kernels/simt/stream.h"
#include "kernels/simt/thread.h"
#include "kernels/simt/types.h"
#include "kernels/simt/warp.h"
