// A tile of a matrix in shared memory, and how it gets there.
#pragma once

#include "kernels/cuda/device/pack.cuh"
#include "kernels/cuda/device/tensor_core.cuh"

namespace imago::kernels::IMAGO_BACKEND {

// Which index of an operand its neighbouring elements differ in. A (M, K) that is stored by rows, and B (K, N) that is
// stored as its transpose (N, K), are k-major; the other two are mn-major.
enum class Major { k, mn };

// `EXTENT` rows of A or columns of B, by K. Stored row by row, in pieces of 16 bytes whose places in the row are
// permuted (swizzled) such that eight pieces above each other lie in different banks: tensor cores read columns of
// pieces.
template <typename T, Major MAJOR, int EXTENT, int K>
struct SharedTile {
  using Element = T;
  static constexpr Major kMajor = MAJOR;
  static constexpr int kRows = MAJOR == Major::k ? EXTENT : K, kColumns = MAJOR == Major::k ? K : EXTENT;
  static constexpr int kBytes = kRows * kColumns * static_cast<int>(sizeof(T));

  T* data;  // aligned to 128 bytes

  __device__ __forceinline__ T* at(int row, int column) const {
    constexpr int kPieces = kColumns / kPack<T>;                // of a row
    constexpr int kRowsOfLine = kPieces < 8 ? 8 / kPieces : 1;  // all banks: 128 bytes
    constexpr int kPlaces = kPieces < 8 ? kPieces : 8;
    // Single f32 are read from four rows at once, eight of each (TensorCoreProduct): two pieces a row.
    constexpr int kSpread = MAJOR == Major::mn && sizeof(T) == 4 ? 2 : 1;
    const int place = column / kPack<T> ^ row * kSpread / kRowsOfLine % kPlaces;
    return data + (row * kPieces + place) * kPack<T> + column % kPack<T>;
  }
};

// Which elements of a tile a thread copies: VECTOR of them at a time, the same column in every kStep-th row.
template <typename Tile, int VECTOR, int THREADS>
struct Share {
  static constexpr int kLanes = Tile::kColumns / VECTOR;  // threads along a row
  static constexpr int kStep = THREADS / kLanes;
  static_assert(THREADS % kLanes == 0 && Tile::kRows % kStep == 0, "every thread copies equally much");

  int row, column;

  __device__ Share()
      : row(static_cast<int>(threadIdx.x) / kLanes), column(static_cast<int>(threadIdx.x) % kLanes * VECTOR) {}
};

// Copies a thread's share of the next tile of `source`, which knows where an operand lies in memory:
//   Source::kVector     elements moved at a time: 16 bytes of them, all inside or all outside the operand; or 1
//   source.origin       any address of the operand
//   source.at(row)      the address of the elements in the share's column of this row; null where the tile goes beyond
//                       the operand: then they are zero
//   source.next_row()   called after each row of the share,
//   source.next_tile()  and after the last one: the following calls of at() are about the next K
template <int THREADS, typename Tile, typename Source>
__device__ __forceinline__ void fetch(const Tile& tile, Source& source) {
  using T = typename Tile::Element;
  const Share<Tile, Source::kVector, THREADS> share;
  [[maybe_unused]] constexpr int kUnroll = Source::kVector == 1 ? 4 : Tile::kRows / share.kStep;
#pragma unroll kUnroll
  for (int row = 0; row < Tile::kRows; row += share.kStep) {
    const T* from = source.at(share.row + row);
    T* to = tile.at(share.row + row, share.column);
    if constexpr (Source::kVector == 1) {
      *to = from ? *from : T(0);
    } else {
      simt::cp_async<16>(to, from ? from : source.origin, from ? 16 : 0);
    }
    source.next_row();
  }
  source.next_tile();
}

// A matrix stored row by row as the source of mn-major tiles: `K` rows, of which the tile sees `extent` columns from
// `origin` on. For tiles whose rows are k: A transposed, or B as it is.
template <typename T, typename Tile, int VECTOR, int THREADS>
struct MatrixColumns {
  static constexpr int kVector = VECTOR;
  using MyShare = Share<Tile, VECTOR, THREADS>;

  const T* origin;  // (K, >= extent), of the tile's first column
  int64_t row_step;
  const T* here;
  int left;  // rows from here on; none if the column is outside

  // Begins at row k and ends before row k_end, less than 2^31 rows later.
  __device__ MatrixColumns(const T* origin, int64_t row_step, int64_t extent, int64_t k, int64_t k_end)
      : origin(origin), row_step(row_step) {
    const MyShare share;
    here = origin + (k + share.row) * row_step + share.column;
    left = share.column < extent ? static_cast<int>(k_end - k) - share.row : 0;
  }
  __device__ const T* at(int) const { return left > 0 ? here : nullptr; }
  __device__ void next_row() {
    here += MyShare::kStep * row_step;
    left -= MyShare::kStep;
  }
  __device__ void next_tile() {}
};

// The same for k-major tiles: `extent` rows from `origin` on, of K columns.
template <typename T, typename Tile, int VECTOR, int THREADS>
struct MatrixRows {
  static constexpr int kVector = VECTOR;

  using MyShare = Share<Tile, VECTOR, THREADS>;

  const T* origin;  // (>= extent, K), of the tile's first row
  int64_t row_step;
  const T* here;
  int left;  // columns from here on
  int extent;

  // Begins at column k and ends before column k_end, less than 2^31 columns later.
  __device__ MatrixRows(const T* origin, int64_t row_step, int64_t extent, int64_t k, int64_t k_end)
      : origin(origin), row_step(row_step), extent(static_cast<int>(extent < Tile::kRows ? extent : Tile::kRows)) {
    const MyShare share;
    here = origin + share.row * row_step + k + share.column;
    left = static_cast<int>(k_end - k) - share.column;
  }
  __device__ const T* at(int row) const { return row < extent && left > 0 ? here : nullptr; }
  __device__ void next_row() { here += MyShare::kStep * row_step; }
  __device__ void next_tile() {
    here += Tile::kColumns - Tile::kRows * row_step;
    left -= Tile::kColumns;
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND
