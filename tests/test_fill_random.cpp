#include "kernels/fill_random.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const RandomKey kKey{.seed = 0x123456789abcdef0, .stream = 3, .step = 5};

const DType kFloating[] = {DType::f32, DType::f64, DType::bf16};

// The tensor that holds `value`, as work of a step reads a counter.
Tensor counter(int32_t value) { return Tensor::from<int32_t>({value}, {1}); }
const uint32_t* address(const Tensor& counter) { return static_cast<const uint32_t*>(counter.raw()); }

}  // namespace

TEST_CASE("every device draws the host's numbers, wherever the sequence is cut", "[fill_random]") {
  for (const int64_t n : {0, 1, 2, 3, 4, 5, 31, 32, 33, 1000, 70001})
    for (const uint64_t first : {0, 1, 2, 3, 4, 1001}) {
      CAPTURE(n, first);
      for (const DType dtype : kFloating) {
        CAPTURE(dtype);
        Tensor drawn({n}, dtype), expected({n}, dtype);
        kernels::fill_normal(drawn, kKey, 0.7, first);
        fill_normal(expected, kKey, 0.7, first);
        CHECK(difference(drawn, expected) == 0);
        kernels::fill_uniform(drawn, kKey, -3, 5, first);
        fill_uniform(expected, kKey, -3, 5, first);
        CHECK(difference(drawn, expected) == 0);
      }
      for (const DType dtype : {DType::i32, DType::i64})
        for (const int64_t limit : {int64_t{1}, int64_t{1000}, (int64_t{1} << 31) - 1}) {
          Tensor drawn({n}, dtype), expected({n}, dtype);
          kernels::fill_integers(drawn, kKey, limit, first);
          fill_integers(expected, kKey, limit, first);
          CHECK(difference(drawn, expected) == 0);
        }
    }
}

TEST_CASE("a key's step may lie in the device's memory", "[fill_random][random]") {
  const Tensor five = counter(5);
  for (const uint32_t step : {0u, 7u, 0xfffffffcu}) {  // the sum wraps around
    CAPTURE(step);
    const RandomKey there{.seed = 9, .stream = 2, .step = step, .step_at = address(five)};
    const RandomKey here{.seed = 9, .stream = 2, .step = step + 5};
    Tensor drawn({1000});
    kernels::fill_normal(drawn, there);
    CHECK(difference(drawn, imago::randn({1000}, here)) == 0);
    kernels::fill_uniform(drawn, there);
    CHECK(difference(drawn, imago::rand({1000}, here)) == 0);
    Tensor integers({1000}, DType::i64);
    kernels::fill_integers(integers, there, 50);
    CHECK(difference(integers, imago::randint({1000}, here, 50)) == 0);
  }
}

TEST_CASE("fill_random names what is wrong", "[fill_random][errors]") {
  Tensor none, integers({3}, DType::i64), floats({3});
  CHECK_THROWS_WITH(kernels::fill_normal(none, kKey), "fill_normal: the tensor is undefined");
  CHECK_THROWS_WITH(kernels::fill_uniform(integers, kKey), "fill_uniform: no kernel for i64");
  CHECK_THROWS_WITH(kernels::fill_integers(floats, kKey, 5), "fill_integers: no kernel for f32");
  CHECK_THROWS_WITH(kernels::fill_integers(integers, kKey, 0), "fill_integers: n must be in [1, 2^31], got 0");
  if (default_device() == Device::cpu) return;
  const Tensor five = counter(5);
  CHECK_THROWS_WITH(fill_normal(floats, {.step_at = address(five)}),
                    concat("fill_normal: the host cannot read a step that is kept on ", default_device(),
                           "; kernels::fill_normal can"));
}
