// Shuffles, votes, matches and reductions within a warp. __activemask() is left out on purpose: what it returns depends
// on scheduling, and so do the functions of old that take no mask.
#pragma once

#include <bit>
#include <type_traits>

#include "kernels/simt/thread.h"

namespace simt::detail {

// Each lane of `mask` publishes 64 bits and gets those of lane `source`.
uint64_t shuffle(uint32_t mask, uint64_t value, unsigned source, Site site);
uint32_t ballot(uint32_t mask, bool vote, Site site);
uint32_t match(uint32_t mask, uint64_t value, Site site);
enum class Reduce : uint8_t { sum, min_signed, max_signed, min_unsigned, max_unsigned, bit_and, bit_or, bit_xor };
uint32_t reduce(uint32_t mask, uint32_t value, Reduce op, Site site);

template <size_t bytes>
struct UnsignedOf;
template <> struct UnsignedOf<1> { using type = uint8_t; };
template <> struct UnsignedOf<2> { using type = uint16_t; };
template <> struct UnsignedOf<4> { using type = uint32_t; };
template <> struct UnsignedOf<8> { using type = uint64_t; };

template <typename T>
__forceinline__ T shuffle_as(unsigned mask, T value, unsigned source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) >= 2, "shuffles move values of 2, 4 or 8 bytes");
  using Bits = typename UnsignedOf<sizeof(T)>::type;
  return std::bit_cast<T>(static_cast<Bits>(shuffle(mask, std::bit_cast<Bits>(value), source, site)));
}
// The lanes between which a shuffle of this width moves values: [first, first + width).
__forceinline__ unsigned segment(int width) { return lane_id() & ~static_cast<unsigned>(width - 1); }

}  // namespace simt::detail

template <typename T>
__forceinline__ T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIMT_HERE) {
  const unsigned within = static_cast<unsigned>(source) & static_cast<unsigned>(width - 1);
  return simt::detail::shuffle_as(mask, value, simt::detail::segment(width) + within, {"__shfl_sync", file, line});
}
template <typename T>
__forceinline__ T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, SIMT_HERE) {
  const unsigned me = simt::lane_id(), other = me ^ static_cast<unsigned>(bits);
  const bool inside = other < simt::detail::segment(width) + static_cast<unsigned>(width);
  return simt::detail::shuffle_as(mask, value, inside ? other : me, {"__shfl_xor_sync", file, line});
}
template <typename T>
__forceinline__ T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_HERE) {
  const unsigned me = simt::lane_id();
  const bool inside = me >= simt::detail::segment(width) + delta;
  return simt::detail::shuffle_as(mask, value, inside ? me - delta : me, {"__shfl_up_sync", file, line});
}
template <typename T>
__forceinline__ T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_HERE) {
  const unsigned me = simt::lane_id();
  const bool inside = me + delta < simt::detail::segment(width) + static_cast<unsigned>(width);
  return simt::detail::shuffle_as(mask, value, inside ? me + delta : me, {"__shfl_down_sync", file, line});
}

__forceinline__ unsigned __ballot_sync(unsigned mask, int p, SIMT_HERE) {
  return simt::detail::ballot(mask, p != 0, {"__ballot_sync", file, line});
}
__forceinline__ int __any_sync(unsigned mask, int p, SIMT_HERE) {
  return simt::detail::ballot(mask, p != 0, {"__any_sync", file, line}) != 0;
}
__forceinline__ int __all_sync(unsigned mask, int p, SIMT_HERE) {
  return simt::detail::ballot(mask, p == 0, {"__all_sync", file, line}) == 0;
}
template <typename T>
__forceinline__ unsigned __match_any_sync(unsigned mask, T value, SIMT_HERE) {
  using Bits = typename simt::detail::UnsignedOf<sizeof(T)>::type;
  return simt::detail::match(mask, std::bit_cast<Bits>(value), {"__match_any_sync", file, line});
}

#define SIMT_REDUCE(name, T, op)                                                                             \
  __forceinline__ T name(unsigned mask, T value, SIMT_HERE) {                                                \
    const uint32_t bits = static_cast<uint32_t>(value);                                                      \
    return static_cast<T>(simt::detail::reduce(mask, bits, simt::detail::Reduce::op, {#name, file, line})); \
  }
SIMT_REDUCE(__reduce_add_sync, unsigned, sum)
SIMT_REDUCE(__reduce_add_sync, int, sum)
SIMT_REDUCE(__reduce_min_sync, unsigned, min_unsigned)
SIMT_REDUCE(__reduce_min_sync, int, min_signed)
SIMT_REDUCE(__reduce_max_sync, unsigned, max_unsigned)
SIMT_REDUCE(__reduce_max_sync, int, max_signed)
SIMT_REDUCE(__reduce_and_sync, unsigned, bit_and)
SIMT_REDUCE(__reduce_or_sync, unsigned, bit_or)
SIMT_REDUCE(__reduce_xor_sync, unsigned, bit_xor)
#undef SIMT_REDUCE
