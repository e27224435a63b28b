// Every source in kernels/cpu is compiled once per instruction set, each time into a namespace of its own:
// IMAGO_BACKEND is cpu_baseline, cpu_avx2 or cpu_avx512 (set by CMake). All code here must live in it, and must not
// leave behind general-purpose code (an instantiated std:: container, say) that the linker could merge with code for
// older machines; tests/check_isa_symbols.cmake watches over that.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/device.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace imago::kernels::IMAGO_BACKEND {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

// A vector register of T, and how many it holds. Arithmetic is element by element. (The detour through a struct keeps T
// from being deduced from a Vec<T>, where GCC would take the whole vector for T.)
template <typename T>
struct VecOf {
  typedef T type [[gnu::vector_size(kVectorBytes)]];
};
template <typename T>
using Vec = typename VecOf<T>::type;
template <typename T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// Unaligned access.
template <typename T>
inline Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <typename T>
inline void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}
template <typename T>
inline Vec<T> splat(T x) {
  return x - Vec<T>{};
}

}  // namespace imago::kernels::IMAGO_BACKEND
