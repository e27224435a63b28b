// The tables of the instruction sets that this build has.
#pragma once

#include "kernels/backend.h"

namespace imago::kernels {

namespace cpu_baseline { const Backend& table(); }
namespace cpu_avx2 { const Backend& table(); }
namespace cpu_avx512 { const Backend& table(); }

}  // namespace imago::kernels
