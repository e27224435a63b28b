// What a launch has to do at least, read off its params: the arithmetic of its products, and every
// operand moved once.
#pragma once

#include <string>

#include "core/dtype.h"
#include "kernels/backend.h"

namespace imago::bench {

struct Work {
  double flops =
      0;  // multiplications and additions of convolutions, matrix products and attention; 0 for
          // kernels that stream, whose arithmetic hides behind their traffic
  double bytes = 0;  // inputs read once, outputs written once
  DType dtype = DType::f32;
  std::string shape;  // for people: "32x32 3x3 64>128 b32"
};

#define LAUNCHER(name, Params) Work work_of(const kernels::Params& p);
#include "kernels/launchers.def"
#undef LAUNCHER

}  // namespace imago::bench
