// Nearest-neighbour upsampling. Forward it is a copy; one thread writes, or backward adds up, the four places that one
// unit of the small image becomes.
#include "kernels/upsample_nearest.h"

#include "kernels/cuda/device/copy.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// Where the four copies of a unit are, in rows of C units of an image that is 2W wide.
struct FourPlaces {
  int64_t C;
  Divisor by_C, W;
  int64_t large_row;  // 2 W C

  FourPlaces(int64_t W, int64_t C) : C(C), by_C(C), W(W), large_row(2 * W * C) {}

  __device__ int64_t first(int64_t i) const {
    const auto [pixel, c] = by_C.divide(i);
    const auto [line, w] = W.divide(pixel);  // line: row of the small image, over the batch
    return 2 * line * large_row + 2 * w * C + c;
  }
};

template <typename Unit>
struct Forward {
  const Unit* x;  // (N, H, W, C)
  Unit* y;        // (N, 2H, 2W, C)
  FourPlaces places;

  __device__ void operator()(int64_t i) const {
    const Unit value = x[i];
    Unit *above = y + places.first(i), *below = above + places.large_row;
    above[0] = value;
    above[places.C] = value;
    below[0] = value;
    below[places.C] = value;
  }
};

template <typename T, int N>
struct Backward {
  const Pack<T, N>* dy;  // (N, 2H, 2W, C / N)
  Pack<T, N>* dx;        // (N, H, W, C / N)
  FourPlaces places;

  __device__ void operator()(int64_t i) const {
    using A = Accumulator<T>;
    const Pack<T, N>*above = dy + places.first(i), *below = above + places.large_row;
    const Pack<T, N> a = above[0], b = above[places.C], c = below[0], d = below[places.C];
    Pack<T, N> sum;
    for (int k = 0; k < N; ++k) sum.v[k] = T((A(a.v[k]) + A(b.v[k])) + (A(c.v[k]) + A(d.v[k])));
    dx[i] = sum;
  }
};

}  // namespace

void upsample_nearest_forward(const UpsampleNearestForward& p, Stream stream) {
  const int64_t pixel = p.C * static_cast<int64_t>(size_of(p.dtype));
  const auto copy = [&]<typename Unit>() {
    const int64_t C = pixel / static_cast<int64_t>(sizeof(Unit));
    const Forward<Unit> body{static_cast<const Unit*>(p.x), static_cast<Unit*>(p.y), FourPlaces(p.W, C)};
    for_each(p.N * p.H * p.W * C, stream, body);
  };
  visit_unit(copy, pixel, address(p.x), address(p.y));
}

void upsample_nearest_backward(const UpsampleNearestBackward& p, Stream stream) {
  visit<float, double, bfloat16>(p.dtype, "upsample_nearest", [&]<typename T>() {
    const T* dy = static_cast<const T*>(p.dy);
    T* dx = static_cast<T*>(p.dx);
    visit_pack<T>(pack_width<T>(p.C, dy, dx), [&]<int N>() {
      const Backward<T, N> body{reinterpret_cast<const Pack<T, N>*>(dy), reinterpret_cast<Pack<T, N>*>(dx),
                                FourPlaces(p.W, p.C / N)};
      for_each(p.N * p.H * p.W * (p.C / N), stream, body);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
