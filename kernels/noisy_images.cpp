#include "kernels/noisy_images.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

NoisyBatch noisy_images(const PickedImages& x0, const Noise& noise, const Tensor& t, const Tensor& alpha,
                        const Tensor& sigma, const NoisyImagesOptions& options) {
  x0.check("noisy_images");
  const Device device = x0.images.device();
  check_same_device("noisy_images", x0.images, {{"t", t}, {"alpha", alpha}, {"sigma", sigma}});
  check_schedule("noisy_images", noise, t, x0.rows.dim(0), alpha, sigma);
  const Tensor x_t(x0.shape(), options.dtype, device);
  const bool target_is_noise = options.prediction == PredictionType::epsilon && noise.values().defined();
  const Tensor target = target_is_noise ? noise.values() : Tensor::empty_like(x_t);
  const NoisyImages p{
      .x0 = bytes_of(x0),
      .noise = noise.source_for(x_t, "noisy_images"),
      .t = t.raw(),
      .alpha = static_cast<const float*>(alpha.raw()),
      .sigma = static_cast<const float*>(sigma.raw()),
      .x_t = x_t.raw(),
      .target = target_is_noise ? nullptr : target.raw(),
      .prediction = options.prediction,
      .t_dtype = t.dtype(),
      .dtype = options.dtype,
  };
  if (x_t.numel()) backend_for(device).noisy_images(p, current_stream(device));
  return {x_t, target};
}

}  // namespace imago::kernels
