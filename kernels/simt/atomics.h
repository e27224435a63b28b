// CUDA's atomic functions: relaxed read-modify-writes that return the old value.
#pragma once

#include <type_traits>

#include "kernels/simt/types.h"

namespace simt::detail {

// Defined in atomics.cpp for int, unsigned and unsigned long long; the first two also for float and double.
template <typename T> T atomic_add(T* p, T value);
template <typename T> T atomic_exchange(T* p, T value);
template <typename T> T atomic_compare_exchange(T* p, T expected, T value);
template <typename T> T atomic_min(T* p, T value);
template <typename T> T atomic_max(T* p, T value);
template <typename T> T atomic_and(T* p, T value);
template <typename T> T atomic_or(T* p, T value);
template <typename T> T atomic_xor(T* p, T value);

}  // namespace simt::detail

#define SIMT_ATOMIC(name, function)                                     \
  template <typename T>                                                 \
  __forceinline__ T name(T* p, std::type_identity_t<T> value) {         \
    return simt::detail::function<T>(p, value);                         \
  }
SIMT_ATOMIC(atomicAdd, atomic_add)
SIMT_ATOMIC(atomicExch, atomic_exchange)
SIMT_ATOMIC(atomicMin, atomic_min)
SIMT_ATOMIC(atomicMax, atomic_max)
SIMT_ATOMIC(atomicAnd, atomic_and)
SIMT_ATOMIC(atomicOr, atomic_or)
SIMT_ATOMIC(atomicXor, atomic_xor)
#undef SIMT_ATOMIC
template <typename T>
__forceinline__ T atomicSub(T* p, std::type_identity_t<T> value) {
  return simt::detail::atomic_add<T>(p, static_cast<T>(T{} - value));
}
template <typename T>
__forceinline__ T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return simt::detail::atomic_compare_exchange<T>(p, expected, value);
}
