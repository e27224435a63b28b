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

namespace {

// Where there is a plan, coefficients tells only whether the model says the variance.
DenoiseResult take_step(const Tensor& x_t, const Tensor& model, const DenoiseCoefficients& coefficients, int memories,
                        const DenoisePlan* plan, const DenoiseOptions& options) {
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
  IMAGO_CHECK(memories <= kMemories, "denoise_step: keep must be below ", kMemories, ", got ", coefficients.keep);
  IMAGO_CHECK(memories == 0 || (memory.dtype() == x_t.dtype() && memory.rank() == x_t.rank() + 1 &&
                                memory.dim(0) >= memories && memory.shape().without(0) == x_t.shape()),
              "denoise_step: memory must be ", x_t.shape().inserted(0, memories), " ", x_t.dtype(), ", got ",
              memory.shape(), " ", memory.dtype());
  check_same_device("denoise_step", x_t, {{"model", model}, {"limit", limit}, {"memory", memory}});
  if (plan) check_same_device("denoise_step", x_t, {{"plan", plan->coefficients}});
  if (memories) memory.bump_version();
  if (options.in_place) x_t.bump_version();
  DenoiseResult out{
      .x = options.in_place ? x_t : options.want_x ? Tensor::empty_like(x_t) : Tensor(),
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
      .plan = plan ? static_cast<const DenoiseCoefficients*>(plan->coefficients.raw()) : nullptr,
      .step = plan ? static_cast<const uint32_t*>(plan->step.raw()) : nullptr,
      .dtype = x_t.dtype(),
  };
  if (x_t.numel()) backend_for(x_t.device()).denoise_step(p, current_stream(x_t.device()));
  return out;
}

}  // namespace

DenoisePlan::DenoisePlan(std::span<const DenoiseCoefficients> steps, Device device)
    : step(Tensor::zeros({1}, DType::i32, device)) {
  IMAGO_CHECK(!steps.empty(), "DenoisePlan: there must be at least one step");
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(steps.data()), steps.size_bytes());
  coefficients = Tensor::from<uint8_t>(bytes, {static_cast<int64_t>(bytes.size())}, device);
  says_variance = steps[0].scale != NoiseScale::fixed;
  for (const DenoiseCoefficients& c : steps) {
    IMAGO_CHECK((c.scale != NoiseScale::fixed) == says_variance,
                "DenoisePlan: the model must say the variance in all steps or in none");
    memories = std::max(memories, memories_of(c));
  }
}

DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model, const DenoiseCoefficients& coefficients,
                           const DenoiseOptions& options) {
  return take_step(x_t, model, coefficients, memories_of(coefficients), nullptr, options);
}

DenoiseResult denoise_step(const Tensor& x_t, const Tensor& model, const DenoisePlan& plan,
                           const DenoiseOptions& options) {
  const DenoiseCoefficients any{.scale = plan.says_variance ? NoiseScale::ignored : NoiseScale::fixed};
  return take_step(x_t, model, any, plan.memories, &plan, options);
}

}  // namespace imago::kernels
