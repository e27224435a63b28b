// Stands in for kernels/cuda in builds without a CUDA toolkit.
#include "kernels/backend.h"

namespace imago::kernels {

const Backend* cuda_backend() { return nullptr; }

}  // namespace imago::kernels
