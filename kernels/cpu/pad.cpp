// Padding: whole rows are copied, so the element type only counts by its size.
#include "kernels/pad.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 16;  // bytes of one task

}  // namespace

void pad_forward(const PadForward& p, Stream) {
  const auto [top, bottom, left, right] = p.padding;
  const int64_t pixel = p.C * static_cast<int64_t>(size_of(p.dtype)), HO = p.H + top + bottom;  // bytes, rows
  const int64_t before = left * pixel, inside = p.W * pixel, after = right * pixel, row = before + inside + after;
  parallel_chunks(p.N * HO, std::max<int64_t>(1, kGrain / row), [&, top = top](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int64_t n = k / HO, i = k % HO - top;
      char* y = static_cast<char*>(p.y) + k * row;
      if (i < 0 || i >= p.H) {
        std::memset(y, 0, static_cast<size_t>(row));
        continue;
      }
      std::memset(y, 0, static_cast<size_t>(before));
      if (inside) {
        const char* x = static_cast<const char*>(p.x) + (n * p.H + i) * inside;
        std::memcpy(y + before, x, static_cast<size_t>(inside));
      }
      std::memset(y + before + inside, 0, static_cast<size_t>(after));
    }
  });
}

void pad_backward(const PadBackward& p, Stream) {
  const auto [top, bottom, left, right] = p.padding;
  const int64_t pixel = p.C * static_cast<int64_t>(size_of(p.dtype)), HO = p.H + top + bottom;
  const int64_t before = left * pixel, inside = p.W * pixel, row = before + inside + right * pixel;
  parallel_chunks(p.N * p.H, std::max<int64_t>(1, kGrain / inside), [&, top = top](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const char* dy = static_cast<const char*>(p.dy) + (k / p.H * HO + k % p.H + top) * row + before;
      std::memcpy(static_cast<char*>(p.dx) + k * inside, dy, static_cast<size_t>(inside));
    }
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
