// The options of the operations, shared by kernels, autograd and nn. Given by name: {.stride = 2, .padding = 1}.
#pragma once

#include <cstdint>
#include <ostream>

namespace imago {

// Zeros on the four sides of an image. One number means the same on every side.
struct Padding {
  int64_t top = 0, bottom = 0, left = 0, right = 0;

  Padding() = default;
  Padding(int64_t all) : top(all), bottom(all), left(all), right(all) {}
  Padding(int64_t top, int64_t bottom, int64_t left, int64_t right)
      : top(top), bottom(bottom), left(left), right(right) {}
  bool operator==(const Padding&) const = default;
};

struct Conv2dOptions {
  int64_t stride = 1;
  Padding padding = {};
  int64_t groups = 1;  // C and O are split into this many groups; groups == C == O is depthwise
};

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};

enum class UnaryOp : uint8_t { silu, gelu, relu, sigmoid, tanh, mish, exp, sqrt };
enum class BinaryOp : uint8_t { add, sub, mul, div };
enum class Activation : uint8_t { none, silu };

// What a diffusion model predicts: the noise (Ho et al. 2020), the clean image, v = alpha noise - sigma x0 (Salimans &
// Ho 2022, arXiv:2202.00512), or the direction of flow matching, noise - x0 (Lipman et al. 2022, arXiv:2210.02747).
enum class PredictionType : uint8_t { epsilon, sample, v_prediction, flow_prediction };

struct GroupNormOptions {
  int64_t groups = 32;
  double eps = 1e-5;
  Activation activation = Activation::none;
};

}  // namespace imago
