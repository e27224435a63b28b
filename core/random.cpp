#include "core/random.h"

#include "core/parallel.h"
#include "core/recording.h"

namespace imago {
namespace {

constexpr int64_t kGrain = 1 << 14;

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
  const Philox4 w = resolved_words(key, block);
  const NormalPair a = normals_from(w.v[0], w.v[1]), b = normals_from(w.v[2], w.v[3]);
  return {{a.v[0], a.v[1], b.v[0], b.v[1]}};
}

template <typename T>
void draw(T* out, int64_t n, const RandomKey& with_counter, uint64_t first) {
  const RandomKey key = with_counter.resolved();
  for_elements(
      0, n, first, [=](uint64_t block) { return four_normals(key, block); },
      [=](int64_t i, float z) { out[i] = z; });
}

template <typename T, typename Draw, typename Map>
void fill_floating(const RandomFill& f, Draw draw, Map map) {
  T* y = static_cast<T*>(f.out);
  for_blocks(f.n, f.first, draw, [=](int64_t i, float v) { y[i] = T(map(v)); });
}

[[gnu::always_inline]] inline Four four_uniforms(const RandomKey& key, uint64_t block) {
  const Philox4 w = resolved_words(key, block);
  return {{uniform_from(w.v[0]), uniform_from(w.v[1]), uniform_from(w.v[2]), uniform_from(w.v[3])}};
}

// The first element, for the host to write. Throws where the distribution has no values of the tensor's type.
void* host_address(const Tensor& t, const char* op, Distribution distribution) {
  void* address = nullptr;
  const auto take = [&]<typename T>() { address = t.data<T>(); };
  if (distribution == Distribution::integer) visit<int32_t, int64_t>(t.dtype(), op, take);
  else visit<float, double, bfloat16>(t.dtype(), op, take);
  return address;
}

// What the host cannot reach is filled from a copy.
void fill(const char* op, Tensor& out, const RandomKey& key, uint64_t first, Distribution distribution, double a,
          double b) {
  IMAGO_CHECK(out.defined(), op, ": the tensor is undefined");
  IMAGO_CHECK(!key.step_at || out.device() == Device::cpu, op, ": the host cannot read a step that is kept on ",
              out.device(), "; kernels::", op, " can");
  check_host_access(op, out.device());
  out.bump_version();
  const Tensor target = out.on_host() ? out : Tensor(out.shape(), out.dtype(), Device::cpu);
  fill_on_host({.out = host_address(target, op, distribution),
                .n = out.numel(),
                .key = key,
                .first = first,
                .distribution = distribution,
                .a = a,
                .b = b,
                .dtype = out.dtype()});
  if (!out.on_host()) out.copy_from(target);
}

}  // namespace

void fill_on_host(const RandomFill& f) {
  const RandomKey key = f.key.resolved();
  const float a = static_cast<float>(f.a), range = static_cast<float>(f.b - f.a);
  const uint64_t n = static_cast<uint64_t>(f.a);
  switch (f.distribution) {
    case Distribution::uniform:
      return visit<float, double, bfloat16>(f.dtype, "fill_uniform", [&]<typename T>() {
        fill_floating<T>(
            f, [=](uint64_t block) { return four_uniforms(key, block); }, [=](float u) { return u * range + a; });
      });
    case Distribution::normal:
      return visit<float, double, bfloat16>(f.dtype, "fill_normal", [&]<typename T>() {
        fill_floating<T>(
            f, [=](uint64_t block) { return four_normals(key, block); }, [=](float z) { return z * a; });
      });
    case Distribution::integer:
      return visit<int32_t, int64_t>(f.dtype, "fill_integers", [&]<typename T>() {
        T* y = static_cast<T*>(f.out);
        for_blocks(
            f.n, f.first, [=](uint64_t block) { return resolved_words(key, block); },
            [=](int64_t i, uint32_t w) { y[i] = static_cast<T>((uint64_t{w} * n) >> 32); });
      });
  }
}

void fill_uniform(Tensor& out, const RandomKey& key, double low, double high, uint64_t first) {
  fill("fill_uniform", out, key, first, Distribution::uniform, low, high);
}

void fill_normal(Tensor& out, const RandomKey& key, double stddev, uint64_t first) {
  fill("fill_normal", out, key, first, Distribution::normal, stddev, 0);
}

void draw_normals(float* out, int64_t n, const RandomKey& key, uint64_t first) {
  draw(out, n, key, first);
}
void draw_normals(double* out, int64_t n, const RandomKey& key, uint64_t first) {
  draw(out, n, key, first);
}

void fill_integers(Tensor& out, const RandomKey& key, int64_t n, uint64_t first) {
  IMAGO_CHECK(n >= 1 && n <= int64_t{1} << 31, "fill_integers: n must be in [1, 2^31], got ", n);
  fill("fill_integers", out, key, first, Distribution::integer, static_cast<double>(n), 0);
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

}  // namespace imago
