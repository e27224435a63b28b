#include "kernels/pick_images.h"

#include "kernels/cpu/picked_pixels.h"

namespace imago::kernels::IMAGO_BACKEND {

void pick_images(const PickImages& p, Stream) {
  const int64_t E = p.bytes.out_H * p.bytes.out_W * p.bytes.C;
  float values[256];
  for (int b = 0; b < 256; ++b)
    values[b] = p.symmetric ? symmetric_pixel(static_cast<uint8_t>(b)) : unit_pixel(static_cast<uint8_t>(b));
  visit<float, double>(p.dtype, "pick_images", [&]<typename T>() {
    parallel_for(p.bytes.N, [&](int64_t n) {
      picked_pixels<T>(p.bytes, n, values, 0, E, static_cast<T*>(p.y) + n * E);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
