// Axes in another order. Two axes matter: the last one of y, and the one that is contiguous in x. If they differ and
// are long, it is many transposes of a matrix over these two axes, by way of tiles in shared memory; otherwise one
// thread fetches each unit of y.
#include "kernels/permute.h"

#include "kernels/cuda/device/copy.cuh"
#include "kernels/cuda/device/reduce.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int kRows = 8;             // a block is (32, 8) threads
constexpr int64_t kWorthATile = 16;  // shorter axes would leave most of a tile empty

// The axes of y that are walked one after the other, and the steps that they make.
struct Axes {
  int rank = 0;
  Divisor extent[kMaxRank];
  int64_t x_stride[kMaxRank] = {}, y_stride[kMaxRank] = {};

  void add(int64_t n, int64_t x_step, int64_t y_step) {
    extent[rank] = Divisor(n);
    x_stride[rank] = x_step;
    y_stride[rank++] = y_step;
  }
  // Takes i apart, the axis that was added first moving fastest.
  struct Offsets { int64_t x, y; };
  __device__ __forceinline__ Offsets at(int64_t i) const {
    Offsets offsets{0, 0};
#pragma unroll
    for (int axis = 0; axis < kMaxRank; ++axis) {
      if (axis >= rank) break;
      const auto [rest, position] = extent[axis].divide(i);
      offsets.x += position * x_stride[axis];
      offsets.y += position * y_stride[axis];
      i = rest;
    }
    return offsets;
  }
};

template <typename Unit>
struct Gather {
  const Unit* x;
  Unit* y;
  Axes axes;

  __device__ void operator()(int64_t i) const { y[i] = x[axes.at(i).x]; }
};

// 4 KiB or more of each tile are under way at once; narrow types need wider tiles for that.
template <typename T>
inline constexpr int kTile = sizeof(T) <= 2 ? 64 : 32;
// A row is an odd number of 4-byte words, so that the elements of a column lie in different banks.
template <typename T>
inline constexpr int kPitch = kTile<T> + (sizeof(T) < 4 ? 4 / static_cast<int>(sizeof(T)) : 1);

// y[i * y_step + j] = x[i + j * x_step] for i < rows, j < columns; a block has one tile of one of the matrices.
template <typename T>
__global__ void __launch_bounds__(kWarp * kRows)
    transpose_kernel(const T* __restrict__ x, T* __restrict__ y, int64_t rows, int64_t columns, int64_t x_step,
                     int64_t y_step, Divisor row_tiles, Divisor column_tiles, Axes matrices) {
  SIMT_SHARED(T, tile, [kTile<T>][kPitch<T>]);  // (columns, rows)
  const auto [rest, row_tile] = row_tiles.divide(blockIdx.x);
  const auto [matrix, column_tile] = column_tiles.divide(rest);
  const auto [x_offset, y_offset] = matrices.at(matrix);
  const int64_t i0 = row_tile * kTile<T>, j0 = column_tile * kTile<T>;
  const int lane = static_cast<int>(threadIdx.x);
  x += x_offset;
  y += y_offset;
#pragma unroll
  for (int j = static_cast<int>(threadIdx.y); j < kTile<T>; j += kRows)
#pragma unroll
    for (int i = lane; i < kTile<T>; i += kWarp)
      if (i0 + i < rows && j0 + j < columns) tile[j][i] = x[i0 + i + (j0 + j) * x_step];
  __syncthreads();
#pragma unroll
  for (int i = static_cast<int>(threadIdx.y); i < kTile<T>; i += kRows)
#pragma unroll
    for (int j = lane; j < kTile<T>; j += kWarp)
      if (i0 + i < rows && j0 + j < columns) y[(i0 + i) * y_step + j0 + j] = tile[j][i];
}

template <typename T>
void transpose(const Permute& p, int unit, const int64_t* y_stride, Stream stream) {
  const int last = p.rank - 1;
  const int64_t rows = p.extent[unit], columns = p.extent[last];
  const int64_t row_tiles = divide_up(rows, kTile<T>), column_tiles = divide_up(columns, kTile<T>);
  Axes matrices;
  int64_t blocks = row_tiles * column_tiles;
  for (int i = last - 1; i >= 0; --i) {
    if (i == unit) continue;
    matrices.add(p.extent[i], p.x_stride[i], y_stride[i]);
    blocks *= p.extent[i];
  }
  simt::launch(transpose_kernel<T>, grid_of(blocks), dim3(kWarp, kRows), 0, stream_of(stream),
               static_cast<const T*>(p.x), static_cast<T*>(p.y), rows, columns, p.x_stride[last], y_stride[unit],
               Divisor(row_tiles), Divisor(column_tiles), matrices);
}

// Runs that stay contiguous are fetched in units as wide as they allow.
void gather(const Permute& p, int64_t size, Stream stream) {
  const int last = p.rank - 1;
  const bool runs = p.x_stride[last] == 1;
  uint64_t steps = static_cast<uint64_t>(size);
  int64_t n = 1;
  for (int i = 0; i <= last; ++i) n *= p.extent[i];
  if (runs) {
    steps *= static_cast<uint64_t>(p.extent[last]);
    for (int i = 0; i < last; ++i) steps |= static_cast<uint64_t>(p.x_stride[i] * size);
  }
  const auto fetch = [&]<typename Unit>() {
    const int64_t per_unit = static_cast<int64_t>(sizeof(Unit)) / size;  // 1 unless these are runs
    Gather<Unit> body{static_cast<const Unit*>(p.x), static_cast<Unit*>(p.y), {}};
    for (int i = last; i >= 0; --i) {
      const bool run = runs && i == last;
      body.axes.add(run ? p.extent[i] / per_unit : p.extent[i], run ? 1 : p.x_stride[i] / per_unit, 0);
    }
    for_each(n / per_unit, stream, body);
  };
  visit_unit(fetch, steps, address(p.x), address(p.y));
}

}  // namespace

void permute(const Permute& p, Stream stream) {
  const int last = p.rank - 1;
  int unit = last;  // the axis that is contiguous in x
  int64_t y_stride[kMaxRank], n = 1;
  for (int i = last; i >= 0; --i) {
    if (p.x_stride[i] == 1) unit = i;
    y_stride[i] = n;
    n *= p.extent[i];
  }
  const int64_t size = static_cast<int64_t>(size_of(p.dtype));
  if (unit == last || p.extent[unit] < kWorthATile || p.extent[last] < kWorthATile) return gather(p, size, stream);
  switch (size) {
    case 1: return transpose<uint8_t>(p, unit, y_stride, stream);
    case 2: return transpose<uint16_t>(p, unit, y_stride, stream);
    case 4: return transpose<uint32_t>(p, unit, y_stride, stream);
    default: return transpose<uint64_t>(p, unit, y_stride, stream);
  }
}

}  // namespace imago::kernels::IMAGO_BACKEND
