// Images from bytes. A thread has four neighbouring elements of one image.
#include "kernels/pick_images.h"

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/picked_pixels.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Pick {
  PickedPixels pixels;
  T* y;  // (N, E)
  int64_t E;
  Divisor fours;  // of an image
  bool symmetric;

  __device__ void operator()(int64_t thread) const {
    const auto [n, k] = fours.divide(thread);
    const PickedPixels::Image image = pixels.image(n);
    for (int64_t i = 4 * k; i < 4 * k + 4 && i < E; ++i) {
      const uint8_t byte = pixels.byte(image, i);
      y[n * E + i] = T(Accumulator<T>(symmetric ? symmetric_pixel(byte) : unit_pixel(byte)));
    }
  }
};

}  // namespace

void pick_images(const PickImages& p, Stream stream) {
  const int64_t E = p.bytes.out_H * p.bytes.out_W * p.bytes.C, fours = divide_up(E, 4);
  visit<float, double, bfloat16>(p.dtype, "pick_images", [&]<typename T>() {
    const Pick<T> body{PickedPixels(p.bytes), static_cast<T*>(p.y), E, Divisor(fours), p.symmetric};
    for_each(p.bytes.N * fours, stream, body);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
