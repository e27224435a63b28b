#include "nn/time_embedding.h"

#include <cmath>
#include <numbers>

namespace imago::nn {

TimeProjection::TimeProjection(const Init& init, Kind kind, int64_t channels,
                               const kernels::TimestepEmbeddingOptions& options, int64_t steps)
    : kind_(kind), channels_(channels), options_(options), dtype_(init.dtype()) {
  constexpr double kFrequencyScale = 16;
  if (kind == Kind::fourier) {
    init.normal({channels}, kFrequencyScale);  // diffusers draws them twice and keeps the second
    frequencies_ = Variable(init.normal({channels}, kFrequencyScale));
  }
  if (kind == Kind::learned) table_.emplace(init, steps, channels);
}

Variable TimeProjection::operator()(const Tensor& t) const {
  switch (kind_) {
    case Kind::positional: return kernels::timestep_embedding(t, channels_, options_).to(dtype_);
    case Kind::fourier: return fourier(t).to(dtype_);
    case Kind::learned: return (*table_)(t);
  }
  return {};
}

// Angles are hundreds of radians large, so they are rounded where diffusers rounds them.
Tensor TimeProjection::fourier(const Tensor& t) const {
  const int64_t N = t.dim(0), C = channels_;
  const std::vector<float> steps = t.to_vector<float>(), frequencies = frequencies_.value().to_vector<float>();
  Tensor out({N, 2 * C});
  float* y = out.data<float>();
  for (int64_t n = 0; n < N; ++n, y += 2 * C) {
    const float log_t = std::log(steps[static_cast<size_t>(n)]);
    for (int64_t c = 0; c < C; ++c) {
      const float angle = log_t * frequencies[static_cast<size_t>(c)] * 2 * std::numbers::pi_v<float>;
      y[c] = std::sin(angle);
      y[C + c] = std::cos(angle);
    }
  }
  return out.to(t.device());
}

void TimeProjection::visit(const ParameterVisitor& visitor) const {
  visitor("weight", frequencies_);
  if (table_) table_->visit(visitor);
}

}  // namespace imago::nn
