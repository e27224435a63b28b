// Division by multiplication (kernels/cuda/device/divide.cuh), against the processor's.
#define IMAGO_BACKEND simt_kernels
#include "kernels/cuda/device/divide.cuh"

#include <catch2/catch.hpp>
#include <vector>

#include "core/philox.h"

using namespace imago;
using kernels::simt_kernels::Divisor;

TEST_CASE("a Divisor divides as the processor does", "[divide]") {
  const int64_t big = int64_t{1} << 31;
  std::vector<int64_t> numbers = {1,     2,       3,   7,       10,      641,          65535, 65536,
                                  65537, big - 1, big, big + 1, 3 * big, big * big / 2};
  for (uint64_t i = 0; i < 300; ++i) {
    const uint32_t word = random_words({.seed = 5}, i).v[0];
    numbers.push_back(1 + (word >> (1 + i % 31)));
  }
  int wrong = 0;
  for (const int64_t d : numbers) {
    const Divisor divisor(d);
    for (const int64_t m : numbers)
      for (const int64_t n : {int64_t{0}, m - 1, m, m / d * d, m / d * d + (d - 1)}) {
        const auto [quotient, remainder] = divisor.divide(n);
        wrong += quotient != n / d || remainder != n % d;
      }
  }
  CHECK(wrong == 0);
}
