// Noise on the CPU, tile by tile: a tile is drawn into a buffer that stays in the first-level
// cache.
#pragma once

#include "core/random.h"
#include "kernels/cpu/isa.h"
#include "kernels/noise.h"

namespace imago::kernels::IMAGO_BACKEND {

// The noise of elements [begin, begin + n) of the output; `buffer` (n) is where it is drawn. Null
// where there is none.
template <typename T>
const T* noise_tile(const NoiseSource& source, int64_t begin, int64_t n, T* buffer) {
  if (source.values) return static_cast<const T*>(source.values) + begin;
  if (!source.drawn) return nullptr;
  draw_normals(buffer, n, source.key, source.first + static_cast<uint64_t>(begin));
  return buffer;
}

}  // namespace imago::kernels::IMAGO_BACKEND
