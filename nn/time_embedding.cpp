#include "nn/time_embedding.h"

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
      return kernels::fourier_embedding(t, frequencies_.value());
    case Kind::learned:
      return (*table_)(t);
  }
  return {};
}

void TimeProjection::visit(const ParameterVisitor& visitor) const {
  visitor("weight", frequencies_);
  if (table_) table_->visit(visitor);
}

}  // namespace imago::nn
