#include "kernels/denoise_step.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model,
                           const DenoiseCoefficients& coefficients, const DenoiseOptions& options) {
  IMAGO_CHECK(x_t.defined() && x_t.rank() >= 2, "denoise_step: x_t must be (N, ..., C), got ",
              x_t.shape());
  const int64_t N = x_t.dim(0), C = x_t.dim(-1);
  const bool learned = coefficients.scale != NoiseScale::fixed;
  const Shape expected = x_t.shape().with(-1, learned ? 2 * C : C);
  IMAGO_CHECK(model.shape() == expected && model.dtype() == x_t.dtype(),
              "denoise_step: model must be ", expected, " ", x_t.dtype(), ", got ", model.shape(),
              " ", model.dtype());
  const Tensor& limit = options.limit;
  IMAGO_CHECK(!limit.defined() || (limit.shape() == Shape{N} && limit.dtype() == DType::f32),
              "denoise_step: limit must be ", Shape{N}, " f32, got ", limit.shape(), " ",
              limit.dtype());
  check_same_device("denoise_step", x_t, {{"model", model}, {"limit", limit}});
  DenoiseResult out{
      .x = options.want_x ? Tensor::empty_like(x_t) : Tensor(),
      .x0 = options.want_x0 ? Tensor::empty_like(x_t) : Tensor(),
  };
  const DenoiseStep p{
      .x_t = x_t.raw(),
      .model = model.raw(),
      .limit = static_cast<const float*>(limit.raw()),
      .noise = options.noise.source_for(x_t, "denoise_step"),
      .x = out.x.raw(),
      .x0 = out.x0.raw(),
      .N = N,
      .S = x_t.numel() / std::max<int64_t>(1, N * C),
      .C = C,
      .coefficients = coefficients,
      .dtype = x_t.dtype(),
  };
  if (x_t.numel()) backend_for(x_t.device()).denoise_step(p, current_stream(x_t.device()));
  return out;
}

}  // namespace imago::kernels
