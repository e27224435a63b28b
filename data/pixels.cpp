#include "data/pixels.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace imago::data {
namespace {

constexpr int64_t kGrain = 1 << 16;

}  // namespace

std::array<float, 256> byte_values(PixelRange range) {
  std::array<float, 256> values;
  for (size_t b = 0; b < 256; ++b) {
    const float unit = static_cast<float>(b) / 255.0f;
    values[b] = range == PixelRange::unit ? unit : (unit - 0.5f) / 0.5f;
  }
  return values;
}

Tensor from_bytes(const Tensor& bytes, PixelRange range) {
  IMAGO_CHECK(bytes.dtype() == DType::u8, "from_bytes: bytes must be u8, got ", bytes.dtype());
  const std::array<float, 256> values = byte_values(range);
  const Tensor out(bytes.shape(), DType::f32, Device::cpu);
  const uint8_t* x = bytes.data<uint8_t>();
  float* y = out.data<float>();
  parallel_chunks(out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = values[x[i]];
  });
  return out;
}

Tensor to_bytes(const Tensor& values, PixelRange range) {
  IMAGO_CHECK(is_floating(values.dtype()), "to_bytes: values must be f32, f64 or bf16, got ",
              values.dtype());
  const Tensor narrow = values.to(Device::cpu).to(DType::f32);
  const Tensor out(values.shape(), DType::u8, Device::cpu);
  const float* x = narrow.data<float>();
  uint8_t* y = out.data<uint8_t>();
  parallel_chunks(out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float unit = range == PixelRange::unit ? x[i] : x[i] / 2 + 0.5f;
      const float clamped = unit > 0 ? std::min(unit, 1.0f) : 0.0f;  // NaN compares false
      y[i] = static_cast<uint8_t>(std::nearbyint(clamped * 255.0f));
    }
  });
  return out;
}

}  // namespace imago::data
