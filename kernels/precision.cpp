#include "kernels/precision.h"

#include <atomic>

namespace imago::kernels {
namespace {

std::atomic<MatmulPrecision> precision{MatmulPrecision::f32};

}  // namespace

MatmulPrecision matmul_precision() { return precision; }
void set_matmul_precision(MatmulPrecision choice) { precision = choice; }

}  // namespace imago::kernels
