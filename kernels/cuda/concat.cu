// The copy that concatenating and slicing are made of: one thread for each unit that is copied.
#include "kernels/concat.h"

#include "kernels/cuda/device/copy.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename Unit>
struct CopyRows {
  const Unit* x;         // (rows, x_row), from the first column that is copied on
  Unit* y;               // (rows, y_row), likewise
  int64_t x_row, y_row;  // units
  Divisor width;

  __device__ void operator()(int64_t i) const {
    const auto [row, c] = width.divide(i);
    y[row * y_row + c] = x[row * x_row + c];
  }
};

}  // namespace

void copy_channels(const CopyChannels& p, Stream stream) {
  const int64_t size = static_cast<int64_t>(size_of(p.dtype));
  const int64_t width = p.width * size, x_row = p.x_channels * size, y_row = p.y_channels * size;  // bytes
  const char* x = static_cast<const char*>(p.x) + p.x_begin * size;
  char* y = static_cast<char*>(p.y) + p.y_begin * size;
  const auto copy = [&]<typename Unit>() {
    constexpr int64_t unit = sizeof(Unit);
    const CopyRows<Unit> body{reinterpret_cast<const Unit*>(x), reinterpret_cast<Unit*>(y), x_row / unit, y_row / unit,
                              Divisor(width / unit)};
    for_each(p.rows * (width / unit), stream, body);
  };
  visit_unit(copy, width, x_row, y_row, address(x), address(y));
}

}  // namespace imago::kernels::IMAGO_BACKEND
