// Between bytes and the ranges that models work in.
#pragma once

#include <array>

#include "core/tensor.h"

namespace imago::data {

enum class PixelRange {
  unit,       // [0, 1]
  symmetric,  // [-1, 1]
};

// The 256 values that a byte can become: b / 255, and (b / 255 - 0.5) / 0.5, each operation rounded
// to f32.
std::array<float, 256> byte_values(PixelRange range);

// u8 to f32, the same shape.
Tensor from_bytes(const Tensor& bytes, PixelRange range);

// f32, f64 or bf16 to u8: clamped to the range and rounded to the nearest byte, half to even. NaN
// becomes 0.
Tensor to_bytes(const Tensor& values, PixelRange range);

}  // namespace imago::data
