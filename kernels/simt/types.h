// CUDA's qualifiers and vector types for a compiler that knows nothing of CUDA: same names, sizes and alignments.
#pragma once

#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

// `two` and `four` are the alignments of the types with that many members.
#define SIMT_VECTOR_TYPES(T, name, two, four)                                                  \
  struct name##1 {                                                                             \
    T x;                                                                                       \
  };                                                                                           \
  struct alignas(two) name##2 {                                                                \
    T x, y;                                                                                    \
  };                                                                                           \
  struct name##3 {                                                                             \
    T x, y, z;                                                                                 \
  };                                                                                           \
  struct alignas(four) name##4 {                                                               \
    T x, y, z, w;                                                                              \
  };                                                                                           \
  __forceinline__ constexpr name##1 make_##name##1(T x) { return {x}; }                        \
  __forceinline__ constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }                \
  __forceinline__ constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }        \
  __forceinline__ constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTOR_TYPES(signed char, char, 2, 4)
SIMT_VECTOR_TYPES(unsigned char, uchar, 2, 4)
SIMT_VECTOR_TYPES(short, short, 4, 8)
SIMT_VECTOR_TYPES(unsigned short, ushort, 4, 8)
SIMT_VECTOR_TYPES(int, int, 8, 16)
SIMT_VECTOR_TYPES(unsigned, uint, 8, 16)
SIMT_VECTOR_TYPES(float, float, 8, 16)
SIMT_VECTOR_TYPES(long long, longlong, 16, 16)
SIMT_VECTOR_TYPES(unsigned long long, ulonglong, 16, 16)
SIMT_VECTOR_TYPES(double, double, 16, 16)
#undef SIMT_VECTOR_TYPES

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
