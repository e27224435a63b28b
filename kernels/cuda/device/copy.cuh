// Copies, where the element type only counts by its size.
#pragma once

#include "kernels/cuda/device/divide.cuh"
#include "kernels/cuda/device/launch.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// Runs f.operator()<Unit>() with the widest unit, 1 to 16 bytes, of which everything in `bytes` (lengths, steps and
// addresses) is a whole number.
template <typename F, typename... Bytes>
void visit_unit(F&& f, Bytes... bytes) {
  const uint64_t all = (static_cast<uint64_t>(bytes) | ...);
  if (all % 16 == 0) return f.template operator()<Pack<uint32_t, 4>>();
  if (all % 8 == 0) return f.template operator()<uint64_t>();
  if (all % 4 == 0) return f.template operator()<uint32_t>();
  if (all % 2 == 0) return f.template operator()<uint16_t>();
  f.template operator()<uint8_t>();
}

inline uint64_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

}  // namespace imago::kernels::IMAGO_BACKEND
