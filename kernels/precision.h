// How exactly products of f32 matrices are computed.
#pragma once

#include <cstdint>

namespace imago::kernels {

enum class MatmulPrecision : uint8_t {
  f32,   // every product in full f32
  tf32,  // factors rounded to 11 significant bits, sums in f32: several times faster on tensor cores
};

// For convolutions and matrix products of f32 tensors, in the whole process; f32 unless somebody allows tf32. Only GPUs
// have tensor cores: the CPU's kernels ignore it.
MatmulPrecision matmul_precision();
void set_matmul_precision(MatmulPrecision precision);

}  // namespace imago::kernels
