#include "kernels/noisy_images.h"

#include <algorithm>

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

void check_images(const Tensor& images, const Tensor& rows, int64_t pad_to) {
  IMAGO_CHECK(images.defined() && images.rank() == 4 && images.dtype() == DType::u8,
              "noisy_images: images must be u8 (M, H, W, C), got ", images.dtype(), " ", images.shape());
  IMAGO_CHECK(rows.defined() && rows.rank() == 1 && rows.dtype() == DType::i64,
              "noisy_images: rows must be i64 (N), got ", rows.dtype(), " ", rows.shape());
  const int64_t side = std::max(images.dim(1), images.dim(2));
  IMAGO_CHECK(pad_to == 0 || pad_to >= side, "noisy_images: pad_to must be 0 or at least ", side, ", got ", pad_to);
  const int64_t out_H = pad_to ? pad_to : images.dim(1), out_W = pad_to ? pad_to : images.dim(2);
  IMAGO_CHECK(Shape({out_H, out_W, images.dim(3)}).numel() < int64_t{1} << 31,
              "noisy_images: an image must have fewer than 2^31 elements, got ", out_H, " x ", out_W, " x ",
              images.dim(3));
  if (!rows.on_host()) return;  // looking at them would wait for the device
  for (const int64_t row : rows.span<int64_t>())
    IMAGO_CHECK(row >= 0 && row < images.dim(0), "noisy_images: rows must be in [0, ", images.dim(0), "), got ", row);
}

}  // namespace

NoisyBatch noisy_images(const Tensor& images, const Tensor& rows, const Noise& noise, const Tensor& t,
                        const Tensor& alpha, const Tensor& sigma, const NoisyImagesOptions& options) {
  check_images(images, rows, options.pad_to);
  check_same_device("noisy_images", images, {{"rows", rows}, {"t", t}, {"alpha", alpha}, {"sigma", sigma}});
  const int64_t N = rows.dim(0), H = images.dim(1), W = images.dim(2), C = images.dim(3);
  check_schedule("noisy_images", noise, t, N, alpha, sigma);
  const int64_t out_H = options.pad_to ? options.pad_to : H, out_W = options.pad_to ? options.pad_to : W;
  const Tensor x_t({N, out_H, out_W, C}, options.dtype, images.device());
  const bool target_is_noise = options.prediction == PredictionType::epsilon && noise.values().defined();
  const Tensor target = target_is_noise ? noise.values() : Tensor::empty_like(x_t);
  const NoisyImages p{
      .images = static_cast<const uint8_t*>(images.raw()),
      .rows = static_cast<const int64_t*>(rows.raw()),
      .noise = noise.source_for(x_t, "noisy_images"),
      .t = t.raw(),
      .alpha = static_cast<const float*>(alpha.raw()),
      .sigma = static_cast<const float*>(sigma.raw()),
      .x_t = x_t.raw(),
      .target = target_is_noise ? nullptr : target.raw(),
      .N = N,
      .H = H,
      .W = W,
      .C = C,
      .out_H = out_H,
      .out_W = out_W,
      .flip = options.flip,
      .flips = options.flips,
      .prediction = options.prediction,
      .t_dtype = t.dtype(),
      .dtype = options.dtype,
  };
  if (x_t.numel()) backend_for(images.device()).noisy_images(p, current_stream(images.device()));
  return {x_t, target};
}

}  // namespace imago::kernels
