#include "kernels/timestep_embedding.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {

Tensor timestep_embedding(const Tensor& t, int64_t dim, const TimestepEmbeddingOptions& options,
                          DType dtype) {
  IMAGO_CHECK(t.defined() && t.rank() == 1, "timestep_embedding: t must be (N), got ", t.shape());
  IMAGO_CHECK(dim >= 1, "timestep_embedding: dim must be at least 1, got ", dim);
  const int64_t half = dim / 2;
  IMAGO_CHECK(dim < 2 || static_cast<double>(half) != options.freq_shift,
              "timestep_embedding: freq_shift must not be half of dim, got ", options.freq_shift,
              " for dim ", dim);
  IMAGO_CHECK(options.max_period > 0, "timestep_embedding: max_period must be positive, got ",
              options.max_period);
  Tensor y({t.dim(0), dim}, dtype, t.device());
  const TimestepEmbedding p{
      .t = t.raw(),
      .frequencies = nullptr,
      .y = y.raw(),
      .N = t.dim(0),
      .dim = dim,
      .options = options,
      .t_dtype = t.dtype(),
      .dtype = dtype,
  };
  if (y.numel()) backend_for(t.device()).timestep_embedding(p, current_stream(t.device()));
  return y;
}

Tensor fourier_embedding(const Tensor& t, const Tensor& frequencies) {
  IMAGO_CHECK(t.defined() && t.rank() == 1, "fourier_embedding: t must be (N), got ", t.shape());
  IMAGO_CHECK(frequencies.defined() && frequencies.rank() == 1,
              "fourier_embedding: frequencies must be (F), got ", frequencies.shape());
  check_same_device("fourier_embedding", t, {{"frequencies", frequencies}});
  const Tensor y({t.dim(0), 2 * frequencies.dim(0)}, frequencies.dtype(), t.device());
  const TimestepEmbedding p{
      .t = t.raw(),
      .frequencies = frequencies.raw(),
      .y = y.raw(),
      .N = t.dim(0),
      .dim = y.dim(1),
      .options = {.flip_sin_to_cos = false},
      .t_dtype = t.dtype(),
      .dtype = frequencies.dtype(),
  };
  if (y.numel()) backend_for(t.device()).timestep_embedding(p, current_stream(t.device()));
  return y;
}

}  // namespace imago::kernels
