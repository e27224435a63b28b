#include "kernels/denoise_step.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

int memories_of(const DenoiseCoefficients& c) {
  int count = c.keep + 1;
  for (int j = 0; j < kMemories; ++j)
    if (c.x_memory[j] != 0 || c.keep_memory[j] != 0) count = std::max(count, j + 1);
  return count;
}

DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model,
                           const DenoiseCoefficients& coefficients, const DenoiseOptions& options) {
  IMAGO_CHECK(x_t.defined() && x_t.rank() >= 2, "denoise_step: x_t must be (N, ..., C), got ",
              x_t.shape());
  const int64_t N = x_t.dim(0), C = x_t.dim(-1);
  const bool says_variance = coefficients.scale != NoiseScale::fixed;
  const Shape expected = x_t.shape().with(-1, says_variance ? 2 * C : C);
  IMAGO_CHECK(model.shape() == expected && model.dtype() == x_t.dtype(),
              "denoise_step: model must be ", expected, " ", x_t.dtype(), ", got ", model.shape(),
              " ", model.dtype());
  const Tensor& limit = options.limit;
  IMAGO_CHECK(!limit.defined() || (limit.shape() == Shape{N} && limit.dtype() == DType::f32),
              "denoise_step: limit must be ", Shape{N}, " f32, got ", limit.shape(), " ",
              limit.dtype());
  Tensor memory = options.memory;
  const int memories = memories_of(coefficients);
  IMAGO_CHECK(memories <= kMemories, "denoise_step: keep must be below ", kMemories, ", got ", coefficients.keep);
  IMAGO_CHECK(memories == 0 || (memory.dtype() == x_t.dtype() && memory.rank() == x_t.rank() + 1 &&
                                memory.dim(0) >= memories && memory.shape().without(0) == x_t.shape()),
              "denoise_step: memory must be ", x_t.shape().inserted(0, memories), " ", x_t.dtype(), ", got ",
              memory.shape(), " ", memory.dtype());
  check_same_device("denoise_step", x_t, {{"model", model}, {"limit", limit}, {"memory", memory}});
  if (coefficients.keep >= 0) memory.bump_version();
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
      .memory = memory.raw(),
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
