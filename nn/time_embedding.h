// How a UNet is told the time step.
#pragma once

#include <string>

#include "kernels/timestep_embedding.h"
#include "nn/embedding.h"
#include "nn/linear.h"

namespace imago::nn {

// Time steps (N) -> one vector each.
class TimeProjection : public Module {
 public:
  enum class Kind : uint8_t {
    positional,  // sines and cosines of fixed frequencies
    fourier,     // sines and cosines of ln t at random frequencies: Song et al., arXiv:2011.13456
    learned,     // a table with a row per time step
  };

  // `channels` is the number of sines and cosines together, of random frequencies, or of columns;
  // `steps` the number of rows.
  TimeProjection(const Init& init, Kind kind, int64_t channels,
                 const kernels::TimestepEmbeddingOptions& options, int64_t steps);

  // Real t, except that rows of a table need integers.
  Variable operator()(const Tensor& t) const;
  int64_t width() const { return kind_ == Kind::fourier ? 2 * channels_ : channels_; }

  void visit(const ParameterVisitor& visitor) const override;

 private:
  Kind kind_;
  int64_t channels_;
  kernels::TimestepEmbeddingOptions options_;
  DType dtype_;
  Variable frequencies_;  // (channels): stored, but not trained
  std::optional<Embedding> table_;
};

// linear_2(silu(linear_1(x)))
class TimestepEmbedding : public Module {
 public:
  TimestepEmbedding(const Init& init, int64_t in, int64_t out)
      : linear_1_(init, in, out), linear_2_(init, out, out) {}

  Variable operator()(const Variable& x) const { return linear_2_(silu(linear_1_(x))); }

  void visit(const ParameterVisitor& visitor) const override {
    visitor("linear_1", linear_1_);
    visitor("linear_2", linear_2_);
  }

 private:
  Linear linear_1_, linear_2_;
};

}  // namespace imago::nn
