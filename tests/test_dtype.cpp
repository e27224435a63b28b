#include <limits>
#include <set>

#include "core/tensor.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

// The nearest bfloat16 by comparing with both neighbours in double; of two equally near, the one with an even mantissa.
uint16_t nearest_bfloat16(float x) {
  const uint16_t below = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16),
                 above = static_cast<uint16_t>(below + 1);
  const auto value = [](uint16_t bits) { return static_cast<double>(std::bit_cast<float>(uint32_t{bits} << 16)); };
  // One step beyond the largest finite value counts as 2^128, as IEEE 754 rounds.
  const double up = (above & 0x7fff) == 0x7f80 ? std::copysign(0x1p128, x) : value(above);
  const double to_below = std::abs(x - value(below)), to_above = std::abs(up - x);
  if (to_below != to_above) return to_below < to_above ? below : above;
  return below & 1 ? above : below;
}

}  // namespace

TEST_CASE("bfloat16 rounds to nearest even", "[dtype]") {
  // Every upper half, with lower halves around the ties.
  int wrong = 0;
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const float x = std::bit_cast<float>(upper << 16 | lower);
      if (!std::isfinite(x)) continue;
      wrong += bfloat16(x).bits != nearest_bfloat16(x);
    }
  CHECK(wrong == 0);
}

TEST_CASE("bfloat16 keeps infinities, signs, and NaN", "[dtype]") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(static_cast<float>(bfloat16(infinity)) == infinity);
  CHECK(static_cast<float>(bfloat16(-infinity)) == -infinity);
  CHECK(static_cast<float>(bfloat16(std::numeric_limits<float>::max())) == infinity);
  CHECK(std::signbit(static_cast<float>(bfloat16(-0.0f))));
  CHECK(std::isnan(static_cast<float>(bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  for (const uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu})  // payloads that rounding would lose
    CHECK(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(bits)))));
}

TEST_CASE("every bfloat16 survives the way to f32 and back", "[dtype]") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = std::bit_cast<float>(bits << 16);
    if (!std::isnan(x)) wrong += bfloat16(x).bits != bits;
  }
  CHECK(wrong == 0);
}

TEST_CASE("each dtype has its size, name and C++ type", "[dtype]") {
  CHECK(size_of(DType::f32) == sizeof(float));
  CHECK(size_of(DType::f64) == sizeof(double));
  CHECK(size_of(DType::bf16) == sizeof(bfloat16));
  CHECK(size_of(DType::i32) == sizeof(int32_t));
  CHECK(size_of(DType::i64) == sizeof(int64_t));
  CHECK(size_of(DType::u8) == sizeof(uint8_t));
  std::set<std::string> names;
  for (const DType t : {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64, DType::u8})
    names.insert(name_of(t));
  CHECK(names == std::set<std::string>{"f32", "f64", "bf16", "i32", "i64", "u8"});
  CHECK(accumulator(DType::bf16) == DType::f32);
  CHECK(accumulator(DType::f64) == DType::f64);
  CHECK(is_floating(DType::bf16));
  CHECK_FALSE(is_floating(DType::u8));
}

TEST_CASE("visit calls the one right type, or names the operation and the type", "[dtype]") {
  size_t size = 0;
  visit<float, double>(DType::f64, "op", [&]<typename T>() { size = sizeof(T); });
  CHECK(size == 8);
  CHECK_THROWS_WITH((visit<float, double>(DType::u8, "op", []<typename T>() {})), "op: no kernel for u8");
}
