#include "nn/init.h"

#include "core/random.h"
#include "nn/torch_random.h"

namespace imago::nn {

Init Init::random(uint64_t seed, DType dtype) {
  return Init(dtype, [seed, next = uint32_t{0}](Tensor& out, Distribution distribution,
                                                double width) mutable {
    const RandomKey key{.seed = seed, .stream = kInitStream, .step = next++};
    if (distribution == Distribution::uniform)
      fill_uniform(out, key, -width, width);
    else
      fill_normal(out, key, width);
  });
}

Init Init::torch(uint64_t seed) {
  return Init(DType::f32, [random = TorchRandom(seed)](Tensor& out, Distribution distribution,
                                                       double width) mutable {
    const float scale = static_cast<float>(width);
    if (distribution == Distribution::uniform) return random.fill_uniform(out, -scale, scale);
    random.fill_normal(out);
    for (float& value : out.span<float>()) value *= scale;
  });
}

Init Init::none(DType dtype) {
  return Init(dtype, [](Tensor&, Distribution, double) {});
}

Tensor Init::uniform(const Shape& shape, double bound) const {
  Tensor out(shape, dtype_, Device::cpu);
  (*fill_)(out, Distribution::uniform, bound);
  return out.to(default_device());
}

Tensor Init::normal(const Shape& shape, double stddev) const {
  Tensor out(shape, dtype_, Device::cpu);
  (*fill_)(out, Distribution::normal, stddev);
  return out.to(default_device());
}

}  // namespace imago::nn
