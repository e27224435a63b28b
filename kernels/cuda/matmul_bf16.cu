// Matrix products of bf16, see matmul_tensor.cuh.
#include "kernels/cuda/matmul_tensor.cuh"

namespace imago::kernels::IMAGO_BACKEND {

void matmul_bf16(const Matmul& p, Stream stream) { matmul_tensor<bfloat16>(p, stream); }

}  // namespace imago::kernels::IMAGO_BACKEND
