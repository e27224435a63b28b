// Permutations that are evaluated position by position: the order of an epoch is never written down, so any device
// finds the rows of any batch by itself.
#pragma once

#include "core/philox.h"

namespace imago {

// A permutation of [0, n), n at most 2^31. Its numbers are drawn on the host once per use; what is left is arithmetic.
//
// A Feistel network (Luby & Rackoff 1988) turns any function of one half of a number's bits into a bijection of the
// whole: (l, r) -> (r, l ^ f(r)). Its numbers have the fewest bits, an even number, that hold n. Where it leads outside
// of [0, n) it goes on from there until it is back: since it is a bijection it has to come back, and what remains is a
// bijection of [0, n) (Black & Rogaway 2002). Fewer than four turns are needed on average.
class Permutation {
 public:
  IMAGO_HOST_DEVICE Permutation(const RandomKey& key, int64_t n) : n_(static_cast<uint32_t>(n)) {
    while ((uint64_t{1} << (2 * half_)) < static_cast<uint64_t>(n)) ++half_;
    for (int block = 0; block < kRounds / 4; ++block) {
      const Philox4 words = random_words(key, static_cast<uint64_t>(block));
      for (int i = 0; i < 4; ++i) keys_[4 * block + i] = words.v[i];
    }
  }

  // What stands at position i in [0, n).
  IMAGO_HOST_DEVICE int64_t operator[](int64_t i) const {
    uint32_t x = static_cast<uint32_t>(i);
    do x = network(x);
    while (x >= n_);
    return x;
  }

 private:
  static constexpr int kRounds = 12;  // with 8, some orders of fewer than ten come too often

  IMAGO_HOST_DEVICE uint32_t network(uint32_t x) const {
    const uint32_t mask = (uint32_t{1} << half_) - 1;
    uint32_t left = x >> half_, right = x & mask;
    for (int round = 0; round < kRounds; ++round) {
      const uint32_t next = left ^ (mix(right, keys_[round]) & mask);
      left = right;
      right = next;
    }
    return left << half_ | right;
  }

  // Every bit of the result depends on every bit of x and of the key: rounds of multiplication and shift with the
  // constants of MurmurHash3's last step (Appleby 2011).
  IMAGO_HOST_DEVICE static uint32_t mix(uint32_t x, uint32_t key) {
    x = x * 0x9E3779B9u ^ key;
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return x ^ x >> 16;
  }

  uint32_t n_, keys_[kRounds];
  int half_ = 1;  // bits
};

}  // namespace imago
