#include "nn/torch_random.h"

#include <cmath>
#include <numbers>

namespace imago::nn {
namespace {

constexpr int64_t kBlock = 16;

// 16 uniforms become 16 normals in place: elements j and j + 8 are Box and Muller's pair.
void normals_from(float* v) {
  for (int j = 0; j < kBlock / 2; ++j) {
    const float radius = std::sqrt(-2.0f * std::log(1.0f - v[j]));
    const float angle = 2.0f * std::numbers::pi_v<float> * v[j + kBlock / 2];
    v[j] = radius * std::cos(angle);
    v[j + kBlock / 2] = radius * std::sin(angle);
  }
}

}  // namespace

float TorchRandom::uniform() { return static_cast<float>(engine_() & 0xffffffu) * 0x1p-24f; }

void TorchRandom::fill_uniform(Tensor& out, float low, float high) {
  out.bump_version();
  const float range = high - low;
  // One rounding, as in torch's builds since 2.0.
  for (float& value : out.span<float>()) value = std::fma(uniform(), range, low);
}

// The first word is the upper half.
uint64_t TorchRandom::two_words() {
  const uint64_t high = engine_();
  return high << 32 | engine_();
}

double TorchRandom::uniform_53_bits() {
  return static_cast<double>(two_words() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

void TorchRandom::fill_integers(Tensor& out, int64_t low, int64_t high) {
  IMAGO_CHECK(low < high, "TorchRandom: high must be above low, ", low, ", got ", high);
  out.bump_version();
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  constexpr uint64_t kNarrow = uint64_t{1} << 28;  // from here on a number takes two words
  for (int64_t& value : out.span<int64_t>())
    value = low + static_cast<int64_t>((range < kNarrow ? engine_() : two_words()) % range);
}

double TorchRandom::scalar_normal() {
  has_spare_ = !has_spare_;
  if (!has_spare_) return spare_normal_;
  const double angle = 2 * std::numbers::pi * uniform_53_bits();
  const double radius = std::sqrt(-2 * std::log1p(-uniform_53_bits()));
  spare_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

// Below 16 elements torch draws them one by one in double; from there on in blocks of 16, and where
// the last one is not full, the last 16 elements are drawn once more.
void TorchRandom::fill_normal(Tensor& out) {
  out.bump_version();
  const int64_t n = out.numel();
  float* const v = out.data<float>();
  if (n < kBlock) {
    for (int64_t i = 0; i < n; ++i) v[i] = static_cast<float>(scalar_normal());
    return;
  }
  for (int64_t i = 0; i < n; ++i) v[i] = uniform();
  for (int64_t i = 0; i + kBlock <= n; i += kBlock) normals_from(v + i);
  if (n % kBlock == 0) return;
  float* const tail = v + n - kBlock;
  for (int64_t i = 0; i < kBlock; ++i) tail[i] = uniform();
  normals_from(tail);
}

}  // namespace imago::nn
