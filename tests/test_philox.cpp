#include "core/philox.h"

#include <numeric>

#include "core/parallel.h"
#include "tests/support.h"

using namespace imago;
using imago::test::difference;

namespace {

struct Known {
  uint32_t counter[4], key[2], words[4];
};
// From the known-answer file of the authors' library, Random123.
const Known kKnown[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

const RandomKey kKey{.seed = 0x123456789abcdef0, .stream = 3, .step = 5};

}  // namespace

TEST_CASE("philox gives the published words", "[random]") {
  for (const Known& k : kKnown) {
    const Philox4 got = philox4x32({{k.counter[0], k.counter[1], k.counter[2], k.counter[3]}}, k.key[0], k.key[1]);
    for (int i = 0; i < 4; ++i) CHECK(got.v[i] == k.words[i]);
  }
}

TEST_CASE("seed, stream, step and block each change the words", "[random]") {
  const auto same = [](const Philox4& a, const Philox4& b) { return std::equal(a.v, a.v + 4, b.v); };
  const Philox4 base = random_words({}, 0);
  CHECK(same(base, philox4x32({{0, 0, 0, 0}}, 0, 0)));
  CHECK_FALSE(same(base, random_words({.seed = 1}, 0)));
  CHECK_FALSE(same(base, random_words({.seed = uint64_t{1} << 32}, 0)));
  CHECK_FALSE(same(base, random_words({.stream = 1}, 0)));
  CHECK_FALSE(same(base, random_words({.step = 1}, 0)));
  CHECK_FALSE(same(base, random_words({}, 1)));
  CHECK_FALSE(same(base, random_words({}, uint64_t{1} << 32)));
}

TEST_CASE("normals follow Box and Muller's formula", "[random]") {
  double worst = 0;
  const auto compare = [&](uint32_t a, uint32_t b) {
    const NormalPair got = normals_from(a, b);
    const double u = ((a >> 8) + 1) * 0x1p-24, radius = std::sqrt(-2 * std::log(u)), angle = 2 * M_PI * (b * 0x1p-32);
    worst = std::max({worst, std::abs(got.v[0] - radius * std::cos(angle)),
                      std::abs(got.v[1] - radius * std::sin(angle))});
  };
  for (uint64_t block = 0; block < 250000; ++block) {
    const Philox4 w = random_words(kKey, block);
    compare(w.v[0], w.v[1]);
    compare(w.v[2], w.v[3]);
  }
  for (const uint32_t a : {0u, 1u, 0xffu, 0x100u, 0x7fffffffu, 0x80000000u, 0xfffffeffu,
                           0xffffffffu})  // both tails of u
    for (uint64_t b = 0; b <= 0xffffffffu; b += 0x01ffffff)
      for (const uint32_t near : {0u, 1u, ~0u}) compare(a, static_cast<uint32_t>(b) + near);  // around the quadrants
  CHECK(worst < 1e-6);
}

TEST_CASE("normals have the moments and the tails of a normal", "[random]") {
  constexpr int64_t n = 1 << 21;
  const Tensor t = randn({n}, kKey);
  const std::span<const float> x = t.span<float>();
  double moment[5] = {}, neighbour = 0, pair = 0;
  double beyond[5] = {};
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[static_cast<size_t>(i)];
    double power = 1;
    for (int k = 1; k <= 4; ++k) moment[k] += (power *= v);
    for (int k = 1; k <= 4; ++k) beyond[k] += std::abs(v) > k;
    if (i + 1 < n) neighbour += v * x[static_cast<size_t>(i + 1)];
    if (i + 4 < n) pair += v * x[static_cast<size_t>(i + 4)];
  }
  const double sigma = 1 / std::sqrt(static_cast<double>(n));  // of a mean; every bound below is five of its own
  CHECK(std::abs(moment[1] / n) < 5 * sigma);
  CHECK(std::abs(moment[2] / n - 1) < 5 * std::sqrt(2.0) * sigma);
  CHECK(std::abs(moment[3] / n) < 5 * std::sqrt(15.0) * sigma);
  CHECK(std::abs(moment[4] / n - 3) < 5 * std::sqrt(96.0) * sigma);
  CHECK(std::abs(neighbour / n) < 5 * sigma);
  CHECK(std::abs(pair / n) < 5 * sigma);
  for (int k = 1; k <= 4; ++k) {
    const double p = std::erfc(k / std::sqrt(2.0));
    CAPTURE(k, beyond[k] / n, p);
    CHECK(std::abs(beyond[k] / n - p) < 5 * std::sqrt(p * (1 - p)) * sigma);
  }
}

TEST_CASE("different keys give uncorrelated normals", "[random]") {
  constexpr int64_t n = 1 << 18;
  const Tensor base = randn({n}, kKey);
  for (const RandomKey& key :
       {RandomKey{kKey.seed + 1, 3, 5}, RandomKey{kKey.seed, 4, 5}, RandomKey{kKey.seed, 3, 6}}) {
    const Tensor other = randn({n}, key);
    double product = 0;
    for (size_t i = 0; i < n; ++i) product += static_cast<double>(base.data<float>()[i]) * other.data<float>()[i];
    CHECK(std::abs(product / n) < 5 / std::sqrt(static_cast<double>(n)));
  }
}

TEST_CASE("uniforms fill [0, 1) evenly", "[random]") {
  constexpr int64_t n = 1 << 20, bins = 64;
  const Tensor t = rand({n}, kKey);
  std::vector<double> count(bins);
  bool inside = true;
  for (const float u : t.span<float>()) {
    inside &= 0 <= u && u < 1;
    ++count[static_cast<size_t>(u * bins)];
  }
  CHECK(inside);
  double chi = 0;
  for (const double c : count) chi += (c - n / bins) * (c - n / bins) / (n / bins);
  CHECK(chi > 25);  // 63 degrees of freedom: these are five standard deviations around
  CHECK(chi < 63 + 5 * std::sqrt(126.0));
  CHECK(uniform_from(0) == 0);
  CHECK(uniform_from(~0u) == 1 - 0x1p-24f);
}

TEST_CASE("the range of uniforms can be chosen", "[random]") {
  Tensor t({1000});
  fill_uniform(t, kKey, -3, 5);
  const std::span<const float> x = t.span<float>();
  for (size_t i = 0; i < x.size(); ++i) REQUIRE(x[i] == uniform_at(kKey, i) * 8 - 3);
}

TEST_CASE("the same bits whatever the threads and the split", "[random]") {
  constexpr int64_t n = 100003;
  const int before = thread_count();
  Tensor normal({n}), uniform({n}), integer({n}, DType::i32);
  set_thread_count(1);
  fill_normal(normal, kKey), fill_uniform(uniform, kKey), fill_integers(integer, kKey, 1000);
  for (int64_t i = 0; i < n; i += 997) {
    CHECK(normal.data<float>()[i] == normal_at(kKey, static_cast<uint64_t>(i)));
    CHECK(uniform.data<float>()[i] == uniform_at(kKey, static_cast<uint64_t>(i)));
    CHECK(integer.data<int32_t>()[i] == integer_at(kKey, static_cast<uint64_t>(i), 1000));
  }
  for (const int threads : {2, 4}) {
    set_thread_count(threads);
    for (const int64_t part : {n, int64_t{1}, int64_t{3}, int64_t{16385}, int64_t{50001}}) {
      if (part == 1 && threads == 4) continue;
      Tensor a({n}), b({n}), c({n}, DType::i32);
      for (int64_t i = 0; i < n; i += part) {
        const int64_t end = std::min(n, i + part);
        Tensor as = a.slice(i, end), bs = b.slice(i, end), cs = c.slice(i, end);
        const uint64_t first = static_cast<uint64_t>(i);
        fill_normal(as, kKey, 1, first), fill_uniform(bs, kKey, 0, 1, first), fill_integers(cs, kKey, 1000, first);
      }
      CAPTURE(threads, part);
      CHECK(difference(a, normal) == 0);
      CHECK(difference(b, uniform) == 0);
      CHECK(difference(c, integer) == 0);
    }
  }
  set_thread_count(before);
}

TEST_CASE("f64 and bf16 draw the numbers of f32", "[random]") {
  const Tensor narrow = randn({1001}, kKey), wide = randn({1001}, kKey, DType::f64),
               brief = randn({1001}, kKey, DType::bf16);
  CHECK(difference(wide, narrow) == 0);
  CHECK(difference(brief, narrow.to(DType::bf16)) == 0);
}

TEST_CASE("integers stay in range and are even", "[random]") {
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}, int64_t{1} << 31}) {
    const std::vector<int64_t> x = randint({10000}, kKey, n).to_vector<int64_t>();
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < n);
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / 10000, middle = static_cast<double>(n - 1) / 2;
    CHECK(std::abs(mean - middle) <= 5 * static_cast<double>(n) / std::sqrt(12 * 10000.0));
  }
}

TEST_CASE("a key reads its step where it is kept", "[random]") {
  const uint32_t counter = 4;
  const RandomKey there{.seed = 6, .stream = 2, .step = 3, .step_at = &counter};
  const RandomKey here{.seed = 6, .stream = 2, .step = 7};
  CHECK(there.resolved().step == 7);
  CHECK(there.resolved().step_at == nullptr);
  for (const uint64_t i : {0, 1, 5, 1000}) {
    CHECK(uniform_at(there, i) == uniform_at(here, i));
    CHECK(normal_at(there, i) == normal_at(here, i));
    CHECK(integer_at(there, i, 1000) == integer_at(here, i, 1000));
  }
  if (default_device() != Device::cpu) return;
  CHECK(difference(randn({1001}, there), randn({1001}, here)) == 0);
  CHECK(difference(rand({1001}, there), rand({1001}, here)) == 0);
  CHECK(difference(randint({1001}, there, 9), randint({1001}, here, 9)) == 0);
}

TEST_CASE("random functions name what is wrong", "[random][errors]") {
  Tensor none, integers({3}, DType::i64), floats({3});
  CHECK_THROWS_WITH(fill_normal(none, kKey), "fill_normal: the tensor is undefined");
  CHECK_THROWS_WITH(fill_normal(integers, kKey), "fill_normal: no kernel for i64");
  CHECK_THROWS_WITH(fill_uniform(integers, kKey), "fill_uniform: no kernel for i64");
  CHECK_THROWS_WITH(fill_integers(floats, kKey, 5), "fill_integers: no kernel for f32");
  CHECK_THROWS_WITH(fill_integers(integers, kKey, 0), "fill_integers: n must be in [1, 2^31], got 0");
}
