// Element types, and the one place where a run-time DType becomes a compile-time type.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>

#include "core/host_device.h"

namespace imago {

enum class DType : uint8_t { f32, f64, bf16, i32, i64, u8 };

// The upper half of an f32: storage only, arithmetic is in float. Conversion rounds to nearest even and keeps NaN.
struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  IMAGO_HOST_DEVICE explicit bfloat16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  IMAGO_HOST_DEVICE explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
  friend bool operator==(bfloat16, bfloat16) = default;
};

template <typename T>
struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<bfloat16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::u8; };
template <typename T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::f32: return "f32";
    case DType::f64: return "f64";
    case DType::bf16: return "bf16";
    case DType::i32: return "i32";
    case DType::i64: return "i64";
    case DType::u8: return "u8";
  }
  return "?";
}

constexpr bool is_floating(DType t) { return t == DType::f32 || t == DType::f64 || t == DType::bf16; }

// The type that sums and statistics of `t` are kept in.
constexpr DType accumulator(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }

inline std::ostream& operator<<(std::ostream& out, DType t) { return out << name_of(t); }

// Throws "op: no kernel for dtype". Out of line, so that kernels that are compiled for a newer instruction set leave no
// general-purpose code of their own behind.
[[noreturn]] void unsupported_dtype(const char* op, DType dtype);

// Runs f.operator()<T>() with the one T of Ts that `dtype` stands for, or says that `op` does not support it.
template <typename... Ts, typename F>
void visit(DType dtype, const char* op, F&& f) {
  const bool found = ((dtype == dtype_of<Ts> && (f.template operator()<Ts>(), true)) || ...);
  if (!found) unsupported_dtype(op, dtype);
}

}  // namespace imago
