#include "core/random.h"

#include <numeric>

#include "core/parallel.h"
#include "core/recording.h"

namespace imago {
namespace {

constexpr int64_t kGrain = 1 << 14;

// Numbers are drawn on the host. What the host cannot reach is filled from a copy: fill(tensor that it can reach).
template <typename Fill>
void fill_on_host(const Tensor& out, const char* op, Fill fill) {
  IMAGO_CHECK(out.defined(), op, ": the tensor is undefined");
  check_host_access(op, out.device());
  out.bump_version();
  if (out.on_host()) return fill(out);
  const Tensor staged(out.shape(), out.dtype(), Device::cpu);
  fill(staged);
  Tensor(out).copy_from(staged);
}

// Calls write(i, element first + i of the sequence) for i in [begin, end), drawing block by block.
// Whole blocks have a loop of their own, without branches, that the compiler turns into vector
// code.
template <typename Draw, typename Write>
void for_elements(int64_t begin, int64_t end, uint64_t first, Draw draw, Write write) {
  int64_t i = begin;
  const auto part_of_block = [&] {
    const uint64_t element = first + static_cast<uint64_t>(i);
    const auto values = draw(element / 4);
    for (uint64_t lane = element % 4; lane < 4 && i < end; ++lane, ++i) write(i, values.v[lane]);
  };
  if ((first + static_cast<uint64_t>(i)) % 4 != 0) part_of_block();
  const uint64_t block = (first + static_cast<uint64_t>(i)) / 4;
  const int64_t whole = (end - i) / 4;
  for (int64_t b = 0; b < whole; ++b) {
    const auto values = draw(block + static_cast<uint64_t>(b));
    for (int lane = 0; lane < 4; ++lane) write(i + 4 * b + lane, values.v[lane]);
  }
  i += 4 * whole;
  if (i < end) part_of_block();
}

// The same over [0, n), in parallel.
template <typename Draw, typename Write>
void for_blocks(int64_t n, uint64_t first, Draw draw, Write write) {
  parallel_chunks(
      n, kGrain, [&](int64_t begin, int64_t end) { for_elements(begin, end, first, draw, write); });
}

struct Four {
  float v[4];
};

[[gnu::always_inline]] inline Four four_normals(const RandomKey& key, uint64_t block) {
  const Philox4 w = random_words(key, block);
  const NormalPair a = normals_from(w.v[0], w.v[1]), b = normals_from(w.v[2], w.v[3]);
  return {{a.v[0], a.v[1], b.v[0], b.v[1]}};
}

template <typename T>
void draw(T* out, int64_t n, const RandomKey& key, uint64_t first) {
  for_elements(
      0, n, first, [&](uint64_t block) { return four_normals(key, block); },
      [=](int64_t i, float z) { out[i] = z; });
}

template <typename Draw, typename Map>
void fill_floating(Tensor& out, const char* op, uint64_t first, Draw draw, Map map) {
  fill_on_host(out, op, [&](const Tensor& t) {
    visit<float, double, bfloat16>(t.dtype(), op, [&]<typename T>() {
      T* y = t.data<T>();
      for_blocks(t.numel(), first, draw, [=](int64_t i, float v) { y[i] = T(map(v)); });
    });
  });
}

}  // namespace

void fill_uniform(Tensor& out, const RandomKey& key, double low, double high, uint64_t first) {
  const auto draw = [&](uint64_t block) {
    const Philox4 w = random_words(key, block);
    return Four{
        {uniform_from(w.v[0]), uniform_from(w.v[1]), uniform_from(w.v[2]), uniform_from(w.v[3])}};
  };
  const float a = static_cast<float>(low), range = static_cast<float>(high - low);
  fill_floating(out, "fill_uniform", first, draw, [=](float u) { return u * range + a; });
}

void fill_normal(Tensor& out, const RandomKey& key, double stddev, uint64_t first) {
  const float scale = static_cast<float>(stddev);
  fill_floating(
      out, "fill_normal", first, [&](uint64_t block) { return four_normals(key, block); },
      [=](float z) { return z * scale; });
}

void draw_normals(float* out, int64_t n, const RandomKey& key, uint64_t first) {
  draw(out, n, key, first);
}
void draw_normals(double* out, int64_t n, const RandomKey& key, uint64_t first) {
  draw(out, n, key, first);
}

void fill_integers(Tensor& out, const RandomKey& key, int64_t n, uint64_t first) {
  IMAGO_CHECK(n >= 1 && n <= int64_t{1} << 31, "fill_integers: n must be in [1, 2^31], got ", n);
  fill_on_host(out, "fill_integers", [&](const Tensor& t) {
    visit<int32_t, int64_t>(t.dtype(), "fill_integers", [&]<typename T>() {
      T* y = t.data<T>();
      for_blocks(
          t.numel(), first, [&](uint64_t block) { return random_words(key, block); },
          [=](int64_t i, uint32_t w) { y[i] = static_cast<T>((uint64_t{w} * static_cast<uint64_t>(n)) >> 32); });
    });
  });
}

Tensor rand(const Shape& shape, const RandomKey& key, DType dtype) {
  Tensor t(shape, dtype);
  fill_uniform(t, key);
  return t;
}

Tensor randn(const Shape& shape, const RandomKey& key, DType dtype) {
  Tensor t(shape, dtype);
  fill_normal(t, key);
  return t;
}

Tensor randint(const Shape& shape, const RandomKey& key, int64_t n) {
  Tensor t(shape, DType::i64);
  fill_integers(t, key, n);
  return t;
}

std::vector<int64_t> random_permutation(int64_t n, const RandomKey& key) {
  IMAGO_CHECK(n >= 0 && n <= int64_t{1} << 31, "random_permutation: n must be in [0, 2^31], got ",
              n);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)],
              order[static_cast<size_t>(integer_at(key, static_cast<uint64_t>(i), i + 1))]);
  return order;
}

}  // namespace imago
