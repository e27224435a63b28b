// Nearest-neighbour upsampling. A task owns some rows of the small image and the two rows that each of them makes.
#include "kernels/upsample_nearest.h"

#include "kernels/cpu/lanes.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of the large image in one task

template <typename T>
void forward(const UpsampleNearestForward& p) {
  const int64_t W = p.W, C = p.C, row = 2 * W * C;
  parallel_chunks(p.N * p.H, std::max<int64_t>(1, kGrain / (2 * row)), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* x = static_cast<const T*>(p.x) + i * W * C;  // (W, C)
      T* y = static_cast<T*>(p.y) + 2 * i * row;            // (2, 2W, C)
      for (int64_t w = 0; w < W; ++w)
        for_lanes<T>(C, [=]<typename V>(int64_t c) {
          const V v = load_as<V>(x + w * C + c);
          store_as(y + 2 * w * C + c, v);
          store_as(y + (2 * w + 1) * C + c, v);
        });
      std::memcpy(y + row, y, static_cast<size_t>(row) * sizeof(T));
    }
  });
}

template <typename T>
void backward(const UpsampleNearestBackward& p) {
  const int64_t W = p.W, C = p.C, row = 2 * W * C;
  parallel_chunks(p.N * p.H, std::max<int64_t>(1, kGrain / (2 * row)), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* dy = static_cast<const T*>(p.dy) + 2 * i * row;  // (2, 2W, C)
      T* dx = static_cast<T*>(p.dx) + i * W * C;                // (W, C)
      for (int64_t w = 0; w < W; ++w) {
        const T *left = dy + 2 * w * C, *right = left + C;
        for (int64_t c = 0; c < C; ++c) dx[w * C + c] = (left[c] + right[c]) + (left[row + c] + right[row + c]);
      }
    }
  });
}

}  // namespace

void upsample_nearest_forward(const UpsampleNearestForward& p, Stream) {
  visit<float, double>(p.dtype, "upsample_nearest", [&]<typename T>() { forward<T>(p); });
}

void upsample_nearest_backward(const UpsampleNearestBackward& p, Stream) {
  visit<float, double>(p.dtype, "upsample_nearest", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
