#include "diffusion/sampling_noise.h"

#include "core/random.h"
#include "kernels/fill_random.h"
#include "kernels/permute.h"
#include "kernels/scale.h"

namespace imago::diffusion {

SamplingNoise::SamplingNoise(const SamplingSeed& seed, const Shape& shape)
    : seed_(seed),
      shape_(shape),
      first_element_(seed.first_image * static_cast<uint64_t>(shape.without(0).numel())) {
  if (!seed.torch_seed) return;
  IMAGO_CHECK(seed.first_image == 0, "sample: first_image must be 0 with torch_seed, got ", seed.first_image,
              "; PyTorch's generator draws a batch from its first image on");
  torch_.emplace(*seed.torch_seed);
}

RandomKey SamplingNoise::key(uint32_t k) const { return {.seed = seed_.seed, .stream = kSampleStream, .step = k}; }

Tensor SamplingNoise::start(double deviation) {
  if (torch_) return deviation == 1 ? draw_torch() : kernels::scale(draw_torch(), deviation);
  Tensor x(shape_);
  kernels::fill_normal(x, key(0), deviation, first_element_);
  return x;
}

kernels::Noise SamplingNoise::step(uint32_t k) {
  return torch_ ? kernels::Noise(draw_torch()) : kernels::Noise(key(k), first_element_);
}

kernels::Noise SamplingNoise::step_at(const uint32_t* k) const {
  IMAGO_CHECK(is_drawn_on_device(), "sample: PyTorch's generator runs on the host, not within a graph");
  RandomKey every = key(0);
  every.step_at = k;
  return kernels::Noise(every, first_element_);
}

// PyTorch draws (N, C, ...).
Tensor SamplingNoise::draw_torch() {
  const int rank = shape_.rank();
  Tensor noise(shape_.without(rank - 1).inserted(1, shape_[rank - 1]), DType::f32, Device::cpu);
  torch_->fill_normal(noise);
  std::vector<int> order = {0};
  for (int axis = 2; axis < rank; ++axis) order.push_back(axis);
  order.push_back(1);
  return kernels::permute(noise, order).to(default_device());
}

}  // namespace imago::diffusion
