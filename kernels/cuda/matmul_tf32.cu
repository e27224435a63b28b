// Matrix products of f32 with factors rounded to tf32, see matmul_tensor.cuh.
#include "kernels/cuda/matmul_tensor.cuh"

namespace imago::kernels::IMAGO_BACKEND {

void matmul_tf32(const Matmul& p, Stream stream) { matmul_tensor<float>(p, stream); }

}  // namespace imago::kernels::IMAGO_BACKEND
