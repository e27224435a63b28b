// Positions from a thread's number: division by extents that are known at the launch.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/cuda/device/portable.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// Divides by d > 0. A GPU has no instruction for that, and the subroutine for 64 bits takes a hundred; numbers below
// 2^31 take a multiplication and a shift instead (Granlund & Montgomery 1994): with d <= 2^s and
// m = ceil(2^(31+s) / d), floor(n / d) = floor(n m / 2^(31+s)). Where d is above 2^31 such n have the quotient 0, and
// m = 0 yields it.
class Divisor {
 public:
  struct Result { int64_t quotient, remainder; };

  Divisor() = default;
  explicit Divisor(int64_t d) : d_(d) {
    if (d > int64_t{1} << 31) return;
    shift_ = 31 + std::bit_width(static_cast<uint64_t>(d - 1));
    multiplier_ = ((uint64_t{1} << shift_) + static_cast<uint64_t>(d) - 1) / static_cast<uint64_t>(d);
  }

  __device__ __forceinline__ Result divide(int64_t n) const {  // n >= 0
    if (n < int64_t{1} << 31) return divide_small(n);
    const int64_t quotient = n / d_;
    return {quotient, n - quotient * d_};
  }
  __device__ __forceinline__ Result divide_small(int64_t n) const {  // 0 <= n < 2^31
    const int64_t quotient = static_cast<int64_t>((uint64_t{static_cast<uint32_t>(n)} * multiplier_) >> shift_);
    return {quotient, n - quotient * d_};
  }

 private:
  int64_t d_ = 1;
  uint64_t multiplier_ = 0;  // at most 2^32
  int shift_ = 0;
};

}  // namespace imago::kernels::IMAGO_BACKEND
