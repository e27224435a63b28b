// CUDA's arithmetic and load/store intrinsics, computed at full precision: the device's fast ones differ from these in
// the last bits.
#pragma once

#include <bit>
#include <cmath>
#include <type_traits>

#include "kernels/simt/types.h"

// Loads and stores with cache hints.
template <typename T> __forceinline__ T __ldg(const T* p) { return *p; }
template <typename T> __forceinline__ T __ldca(const T* p) { return *p; }
template <typename T> __forceinline__ T __ldcs(const T* p) { return *p; }
template <typename T> __forceinline__ T __ldcg(const T* p) { return *p; }
template <typename T> __forceinline__ void __stcs(T* p, std::type_identity_t<T> v) { *p = v; }
template <typename T> __forceinline__ void __stcg(T* p, std::type_identity_t<T> v) { *p = v; }
template <typename T> __forceinline__ void __stwt(T* p, std::type_identity_t<T> v) { *p = v; }

__forceinline__ float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
__forceinline__ double rsqrt(double x) { return 1.0 / std::sqrt(x); }
__forceinline__ float __frsqrt_rn(float x) { return 1.0f / std::sqrt(x); }
__forceinline__ float __fdividef(float a, float b) { return a / b; }
__forceinline__ float __fdiv_rn(float a, float b) { return a / b; }
__forceinline__ float __frcp_rn(float x) { return 1.0f / x; }
__forceinline__ float __fsqrt_rn(float x) { return std::sqrt(x); }
__forceinline__ float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
__forceinline__ float __fmul_rn(float a, float b) { return a * b; }
__forceinline__ float __fadd_rn(float a, float b) { return a + b; }
__forceinline__ float __fsub_rn(float a, float b) { return a - b; }
__forceinline__ float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
// The C library declares some of these names for itself; they mean the same there.
inline float __expf(float x) { return std::exp(x); }
inline float __exp2f(float x) { return std::exp2(x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
inline float __tanhf(float x) { return std::tanh(x); }

__forceinline__ int __float_as_int(float x) { return std::bit_cast<int>(x); }
__forceinline__ unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
__forceinline__ float __int_as_float(int x) { return std::bit_cast<float>(x); }
__forceinline__ float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
__forceinline__ float __int2float_rn(int x) { return static_cast<float>(x); }
__forceinline__ float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
__forceinline__ int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
__forceinline__ int __float2int_rd(float x) { return static_cast<int>(std::floor(x)); }
__forceinline__ int __float2int_ru(float x) { return static_cast<int>(std::ceil(x)); }
__forceinline__ int __float2int_rz(float x) { return static_cast<int>(x); }

__forceinline__ int __popc(unsigned x) { return std::popcount(x); }
__forceinline__ int __popcll(unsigned long long x) { return std::popcount(x); }
__forceinline__ int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
__forceinline__ int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
__forceinline__ int __ffs(int x) { return __builtin_ffs(x); }
__forceinline__ int __ffsll(long long x) { return __builtin_ffsll(x); }
__forceinline__ unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<unsigned long long>(a) * b) >> 32);
}
__forceinline__ int __mulhi(int a, int b) { return static_cast<int>((static_cast<long long>(a) * b) >> 32); }
__forceinline__ unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}

// Of a number and a NaN these give the number, as on the device.
template <typename T>
__forceinline__ constexpr T min(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a != a || b < a ? b : a;
  else return b < a ? b : a;
}
template <typename T>
__forceinline__ constexpr T max(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a != a || b > a ? b : a;
  else return b > a ? b : a;
}
