// Matrix products: a task owns a tile of one product, or of one part of its inner extent where the
// tiles alone are few (a weight gradient: small, but summed over all rows of a batch). Tiles depend
// on the shapes only.
#include "kernels/matmul.h"

#include <algorithm>
#include <bit>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kLargeTile = 256, kSmallTile = 64;  // rows and columns of c
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kShortestPart = 512;  // of the inner extent

int64_t parts_of(int64_t n, int64_t part) { return (n + part - 1) / part; }

// Tasks of one call: batch * row_tiles * col_tiles * inner_parts.
struct Tiling {
  int64_t rows, cols, inner;  // a tile's extents: (rows, inner) times (inner, cols)
  int64_t row_tiles, col_tiles, inner_parts;
};

// Large tiles repack less, small ones keep all threads busy.
Tiling pick_tiling(int64_t batch, int64_t M, int64_t N, int64_t K) {
  const auto start = [](int64_t n) {
    return std::min(kLargeTile, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n))));
  };
  int64_t rows = start(M), cols = start(N);
  const auto tiles = [&] { return batch * parts_of(M, rows) * parts_of(N, cols); };
  while (tiles() < kEnoughTasks && std::max(rows, cols) > kSmallTile)
    (rows >= cols ? rows : cols) /= 2;
  const int64_t parts = std::clamp<int64_t>(K / kShortestPart, 1, parts_of(kEnoughTasks, tiles()));
  const int64_t inner = std::max<int64_t>(1, parts_of(K, parts));
  const int64_t inner_parts = std::max<int64_t>(1, parts_of(K, inner));
  return {rows, cols, inner, parts_of(M, rows), parts_of(N, cols), inner_parts};
}

// Every row of the tile becomes the bias, or zero.
template <typename T>
void fill_rows(int64_t rows, int64_t cols, const T* bias, T* c, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) c[i * stride + j] = bias ? bias[j] : T(0);
}

template <typename T>
void run(const Matmul& p) {
  const int64_t M = p.M, N = p.N, K = p.K;
  const T* bias = static_cast<const T*>(p.bias);
  const bool summed = p.c_step == 0;  // over the batch
  const int64_t products = summed ? 1 : p.batch, terms = summed ? p.batch : 1;
  const Tiling t = pick_tiling(products, M, N, K);
  const bool whole = t.inner_parts == 1;
  const Scratch<T> partial(whole ? 0 : products * t.inner_parts * M * N);

  parallel_for(products * t.inner_parts * t.row_tiles * t.col_tiles, [&](int64_t task) {
    const int64_t j = task % t.col_tiles * t.cols, cols = std::min(t.cols, N - j);
    task /= t.col_tiles;
    const int64_t i = task % t.row_tiles * t.rows, rows = std::min(t.rows, M - i);
    const int64_t part = task / t.row_tiles;  // of all products
    const int64_t k = part % t.inner_parts * t.inner, inner = std::min(t.inner, K - k);
    const int64_t n = part / t.inner_parts;
    T* c = (whole ? static_cast<T*>(p.c) + n * p.c_step : partial.get() + part * M * N) + i * N + j;
    fill_rows(rows, cols, whole && bias ? bias + j : nullptr, c, N);
    for (int64_t term = n; term < n + terms; ++term) {
      const Operand<T> a{static_cast<const T*>(p.a) + term * p.a_step, p.transpose_a ? M : K,
                         p.transpose_a};
      const Operand<T> b{static_cast<const T*>(p.b) + term * p.b_step, p.transpose_b ? K : N,
                         p.transpose_b};
      gemm(rows, cols, inner, a.from(i, k), b.from(k, j), c, N);
    }
  });
  if (whole) return;

  parallel_for(products * M, [&](int64_t row) {  // the parts, in order
    const int64_t n = row / M, i = row % M;
    T* c = static_cast<T*>(p.c) + n * p.c_step + i * N;
    fill_rows(1, N, bias, c, N);
    for (int64_t part = n * t.inner_parts; part < (n + 1) * t.inner_parts; ++part)
      for (int64_t j = 0; j < N; ++j) c[j] += partial.get()[(part * M + i) * N + j];
  });
}

}  // namespace

void matmul(const Matmul& p, Stream) {
  visit<float, double>(p.dtype, "matmul", [&]<typename T>() { run<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
