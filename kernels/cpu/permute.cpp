// Axes in another order. Two axes matter: the last one of y, and the one that is contiguous in x. If they are the same,
// runs are copied; otherwise it is many transposes of a matrix over these two axes, done in square tiles.
#include "kernels/permute.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kTile = 32;        // a tile of f32 is 4 KiB: both sides of it stay in L1
constexpr int64_t kGrain = 1 << 14;  // elements of one task

// y[i * y_stride + j] = x[i + j * x_stride]
template <typename T>
void transpose(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t rows, int64_t columns) {
  for (int64_t j0 = 0; j0 < columns; j0 += kTile)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = j0, end = std::min(columns, j0 + kTile); j < end; ++j) y[i * y_stride + j] = x[i + j * x_stride];
}

template <typename T>
void forward(const Permute& p) {
  const int last = p.rank - 1;
  int unit = last;  // the axis that is contiguous in x
  int64_t y_stride[kMaxRank], n = 1;
  for (int i = last; i >= 0; --i) {
    if (p.x_stride[i] == 1) unit = i;
    y_stride[i] = n;
    n *= p.extent[i];
  }
  const bool runs = unit == last;
  const int64_t columns = p.extent[last], bands = runs ? 1 : (p.extent[unit] + kTile - 1) / kTile;
  const int64_t matrices = n / columns / (runs ? 1 : p.extent[unit]);
  const int64_t work = columns * (runs ? 1 : kTile);
  parallel_chunks(matrices * bands, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const T* x = static_cast<const T*>(p.x);
      T* y = static_cast<T*>(p.y);
      int64_t rest = k / bands;
      for (int i = last - 1; i >= 0; --i) {
        if (i == unit) continue;
        x += rest % p.extent[i] * p.x_stride[i];
        y += rest % p.extent[i] * y_stride[i];
        rest /= p.extent[i];
      }
      if (runs) {
        std::memcpy(y, x, static_cast<size_t>(columns) * sizeof(T));
      } else {
        const int64_t i = k % bands * kTile, rows = std::min(kTile, p.extent[unit] - i);
        transpose(x + i, p.x_stride[last], y + i * y_stride[unit], y_stride[unit], rows, columns);
      }
    }
  });
}

}  // namespace

void permute(const Permute& p, Stream) {
  visit<float, double, bfloat16, int32_t, int64_t, uint8_t>(p.dtype, "permute",
                                                            [&]<typename T>() { forward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
