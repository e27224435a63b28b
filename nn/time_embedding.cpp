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
    case Kind::positional:
      return kernels::timestep_embedding(t, channels_, options_).to(dtype_);
    case Kind::fourier:
      return fourier(t);
    case Kind::learned:
      return (*table_)(t);
  }
  return {};
}

// Angles are hundreds of radians large, so they are rounded where diffusers rounds them.
Tensor TimeProjection::fourier(const Tensor& t) const {
  const int64_t N = t.dim(0), C = channels_;
  const Tensor out({N, 2 * C}, dtype_, Device::cpu);
  imago::visit<float, double>(dtype_, "TimeProjection", [&]<typename T>() {
    const std::vector<T> steps = t.to_vector<T>();
    const std::vector<T> frequencies = frequencies_.value().to_vector<T>();
    T* y = out.data<T>();
    for (const T step : steps) {
      const T log_t = std::log(step);
      for (const T frequency : frequencies) {
        const T angle = log_t * frequency * 2 * std::numbers::pi_v<T>;
        y[0] = std::sin(angle);
        y[C] = std::cos(angle);
        ++y;
      }
      y += C;
    }
  });
  return out.to(t.device());
}

void TimeProjection::visit(const ParameterVisitor& visitor) const {
  visitor("weight", frequencies_);
  if (table_) table_->visit(visitor);
}

}  // namespace imago::nn
