// Philox 4x32-10, a counter-based generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// Random numbers are a pure function of (seed, stream, step, element), so they are the same whatever the number of
// threads, the batch split or the device, and a run resumes from four integers.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace imago {

// Names one endless sequence of random numbers; element i of it is drawn by the functions below.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t stream = 0;  // what the numbers are for: noise, time steps, dropout layer 3, ...
  uint32_t step = 0;    // the training or sampling step
  // A counter in the memory of the device that draws, or null; what it holds while drawing is added to `step`. So a
  // launch that is captured in a graph draws something new each time.
  const uint32_t* step_at = nullptr;

  // The key with the counter's present value in it.
  IMAGO_HOST_DEVICE RandomKey resolved() const {
    return {seed, stream, step_at ? step + *step_at : step, nullptr};
  }
};

struct Philox4 {
  uint32_t v[4];
};

// Ten rounds over the counter under the key.
IMAGO_HOST_DEVICE inline Philox4 philox4x32(Philox4 counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter.v[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter.v[2];
    counter = {{static_cast<uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0, static_cast<uint32_t>(p1),
                static_cast<uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The four words that elements 4 * block .. 4 * block + 3 of the sequence are made of. The key is resolved(): the way
// for loops, which without a read in them become vector code.
IMAGO_HOST_DEVICE inline Philox4 resolved_words(const RandomKey& key, uint64_t block) {
  return philox4x32({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), key.step, key.stream}},
                    static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32));
}
// The same for any key.
IMAGO_HOST_DEVICE inline Philox4 random_words(const RandomKey& key, uint64_t block) {
  return resolved_words(key.resolved(), block);
}

// [0, 1), 24 bits.
IMAGO_HOST_DEVICE inline float uniform_from(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// Two independent standard normals from two words, Box and Muller 1958. log and cos are polynomials of plain IEEE
// operations (Cephes' coefficients, error below 2e-7), so that every host and every device gets the same bits: this
// header has to be compiled without contraction of a * b + c, see CMakeLists.txt.
struct NormalPair {
  float v[2];
};
IMAGO_HOST_DEVICE inline NormalPair normals_from(uint32_t word0, uint32_t word1) {
  // u in (0, 1]: ln u = e ln 2 + ln m with m in [sqrt(1/2), sqrt 2)
  const float u = (static_cast<float>(word0 >> 8) + 1.0f) * 0x1p-24f;
  const uint32_t bits = std::bit_cast<uint32_t>(u), shifted = bits - 0x3f3504f3u;  // 0x3f3504f3 is sqrt(1/2)
  const float e = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * m + -1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m + -1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m + -1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m + -2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float square = m * m;
  const float log_u = (m * square * p + e * -2.12194440e-4f - 0.5f * square) + m + e * 0.693359375f;
  const float radius = std::sqrt(-2.0f * log_u);

  // angle 2 pi f: f's top two bits (after adding 1/8) choose the quadrant, the rest is an angle in [-pi/4, pi/4)
  const uint32_t rounded = word1 + 0x20000000u, quadrant = rounded >> 30;
  const float a = (static_cast<float>(static_cast<int32_t>((rounded & 0x3fffffffu) >> 6)) - 8388608.0f) *
                  (1.57079632679489662f * 0x1p-24f);
  const float a2 = a * a;
  const float sine = ((-1.9515295891e-4f * a2 + 8.3321608736e-3f) * a2 + -1.6666654611e-1f) * a2 * a + a;
  const float cosine = ((2.443315711809948e-5f * a2 + -1.388731625493765e-3f) * a2 + 4.166664568298827e-2f) * a2 * a2 -
                       0.5f * a2 + 1.0f;
  const bool swap = quadrant & 1u;
  const float c = swap ? sine : cosine, s = swap ? cosine : sine;
  const bool negative_cosine = quadrant == 1 || quadrant == 2, negative_sine = quadrant >= 2;
  return {{radius * (negative_cosine ? -c : c), radius * (negative_sine ? -s : s)}};
}

// Element i of the sequence, as a uniform in [0, 1), a standard normal, or an integer in [0, n). The integer's bias is
// below n / 2^32. For filling arrays see core/random.h, which draws four at a time.
IMAGO_HOST_DEVICE inline float uniform_at(const RandomKey& key, uint64_t i) {
  return uniform_from(random_words(key, i / 4).v[i % 4]);
}
IMAGO_HOST_DEVICE inline float normal_at(const RandomKey& key, uint64_t i) {
  const Philox4 w = random_words(key, i / 4);
  return (i % 4 < 2 ? normals_from(w.v[0], w.v[1]) : normals_from(w.v[2], w.v[3])).v[i % 2];
}
IMAGO_HOST_DEVICE inline int64_t integer_at(const RandomKey& key, uint64_t i, int64_t n) {
  return static_cast<int64_t>((uint64_t{random_words(key, i / 4).v[i % 4]} * static_cast<uint64_t>(n)) >> 32);
}

}  // namespace imago
