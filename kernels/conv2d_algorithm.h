// How the convolutions of the CUDA kernels are computed: by the fastest way there is, unless a benchmark or a test asks
// for another rung of the ladder (docs/kernels/conv2d.md).
#pragma once

#include <cstdint>
#include <ostream>

namespace imago::kernels {

enum class Conv2dAlgorithm : uint8_t {
  automatic,
  direct,       // a thread for each output, straight from global memory
  tiled,        // implicit matrix product: tiles in shared memory, register tiles, scalar arithmetic
  tensor_core,  // the same tiles multiplied by tensor cores: bf16, and f32 rounded to tf32
  pipelined,    // and copied to shared memory several steps ahead
};

constexpr const char* name_of(Conv2dAlgorithm algorithm) {
  switch (algorithm) {
    case Conv2dAlgorithm::automatic: return "automatic";
    case Conv2dAlgorithm::direct: return "direct";
    case Conv2dAlgorithm::tiled: return "tiled";
    case Conv2dAlgorithm::tensor_core: return "tensor_core";
    case Conv2dAlgorithm::pipelined: return "pipelined";
  }
  return "?";
}

inline std::ostream& operator<<(std::ostream& out, Conv2dAlgorithm algorithm) { return out << name_of(algorithm); }

// For the whole process. A rung that an operation does not have (tensor cores for f64, tiles for groups) becomes the
// highest one below that it has. The CPU's kernels ignore it.
Conv2dAlgorithm conv2d_algorithm();
void set_conv2d_algorithm(Conv2dAlgorithm algorithm);

}  // namespace imago::kernels
