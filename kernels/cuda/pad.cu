// Padding: one thread for each unit of the output, in rows of W * C.
#include "kernels/pad.h"

#include "kernels/cuda/device/copy.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename Unit>
struct Forward {
  const Unit* x;              // (N, H, row)
  Unit* y;                    // (N, HO, out_row)
  int64_t H, row, top, left;  // row and left in units
  Divisor HO, out_row;

  __device__ void operator()(int64_t i) const {
    const auto [k, column] = out_row.divide(i);
    const auto [n, line] = HO.divide(k);
    const int64_t h = line - top, c = column - left;
    const bool inside = h >= 0 && h < H && c >= 0 && c < row;
    y[i] = inside ? x[(n * H + h) * row + c] : Unit{};
  }
};

template <typename Unit>
struct Backward {
  const Unit* dy;                  // (N, HO, out_row)
  Unit* dx;                        // (N, H, row)
  int64_t HO, out_row, top, left;  // out_row and left in units
  Divisor H, row;

  __device__ void operator()(int64_t i) const {
    const auto [k, c] = row.divide(i);
    const auto [n, h] = H.divide(k);
    dx[i] = dy[(n * HO + h + top) * out_row + left + c];
  }
};

}  // namespace

void pad_forward(const PadForward& p, Stream stream) {
  const auto [top, bottom, left, right] = p.padding;
  const int64_t pixel = p.C * static_cast<int64_t>(size_of(p.dtype)), HO = p.H + top + bottom;  // bytes, rows
  const int64_t before = left * pixel, row = p.W * pixel, out_row = before + row + right * pixel;
  const auto pad = [&, top = top]<typename Unit>() {
    constexpr int64_t unit = sizeof(Unit);
    const Forward<Unit> body{static_cast<const Unit*>(p.x), static_cast<Unit*>(p.y), p.H, row / unit, top,
                             before / unit, Divisor(HO), Divisor(out_row / unit)};
    for_each(p.N * HO * (out_row / unit), stream, body);
  };
  visit_unit(pad, before, row, out_row, address(p.x), address(p.y));
}

void pad_backward(const PadBackward& p, Stream stream) {
  const auto [top, bottom, left, right] = p.padding;
  const int64_t pixel = p.C * static_cast<int64_t>(size_of(p.dtype)), HO = p.H + top + bottom;
  const int64_t before = left * pixel, row = p.W * pixel, out_row = before + row + right * pixel;
  const auto cut = [&, top = top]<typename Unit>() {
    constexpr int64_t unit = sizeof(Unit);
    const Backward<Unit> body{static_cast<const Unit*>(p.dy), static_cast<Unit*>(p.dx), HO, out_row / unit, top,
                              before / unit, Divisor(p.H), Divisor(row / unit)};
    for_each(p.N * p.H * (row / unit), stream, body);
  };
  visit_unit(cut, before, row, out_row, address(p.dy), address(p.dx));
}

}  // namespace imago::kernels::IMAGO_BACKEND
