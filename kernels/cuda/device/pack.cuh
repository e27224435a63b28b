// Several neighbouring elements moved by one instruction: a Pack of 16 bytes is one 16-byte load or store.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/cuda/device/portable.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// What sums of T are kept in, and what T is computed with.
template <typename T>
struct AccumulatorOf { using type = float; };
template <>
struct AccumulatorOf<double> { using type = double; };
template <typename T>
using Accumulator = typename AccumulatorOf<T>::type;

template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

// How many T fit 16 bytes: 4 floats, 8 bf16, 2 doubles.
template <typename T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

// p must be aligned to the whole pack.
template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, typename T>
__device__ __forceinline__ void store_pack(T* p, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}

// The widest pack with which rows of `width` elements can be walked, all given pointers being aligned to it: kPack<T>,
// or 1. Decided on the host, once per launch.
template <typename T, typename... P>
int pack_width(int64_t width, const P*... pointers) {
  const auto bits = (reinterpret_cast<uintptr_t>(pointers) | ... | uintptr_t{0});
  return width % kPack<T> == 0 && bits % 16 == 0 ? kPack<T> : 1;
}

// Runs f.operator()<N>() with N = width, which is kPack<T> or 1.
template <typename T, typename F>
void visit_pack(int width, F&& f) {
  if (width == kPack<T>) return f.template operator()<kPack<T>>();
  f.template operator()<1>();
}

}  // namespace imago::kernels::IMAGO_BACKEND
