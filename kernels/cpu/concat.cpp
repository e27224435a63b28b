#include "kernels/concat.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// Whole rows of bytes: the element type only counts by its size.
void copy_channels(const CopyChannels& p, Stream) {
  const int64_t size = static_cast<int64_t>(size_of(p.dtype)), bytes = p.width * size;
  const int64_t x_row = p.x_channels * size, y_row = p.y_channels * size;
  parallel_chunks(p.rows, std::max<int64_t>(1, (1 << 16) / bytes), [&](int64_t begin, int64_t end) {
    const char* x = static_cast<const char*>(p.x) + p.x_begin * size;
    char* y = static_cast<char*>(p.y) + p.y_begin * size;
    for (int64_t m = begin; m < end; ++m) std::memcpy(y + m * y_row, x + m * x_row, static_cast<size_t>(bytes));
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
