// Where a kernel's Gaussian noise comes from: a tensor, or a key, and then it is drawn on the way
// and never stored.
#pragma once

#include "core/philox.h"
#include "core/tensor.h"
#include "kernels/same_device.h"

namespace imago::kernels {

// As a kernel sees it.
struct NoiseSource {
  const void* values = nullptr;  // of the kernel's type; null where the noise is drawn, or absent
  bool drawn = false;
  RandomKey key;
  uint64_t first =
      0;  // element i of the kernel's output gets element first + i of the key's sequence
};

// As a caller gives it. The default is none.
class Noise {
 public:
  Noise() = default;
  Noise(Tensor values) : values_(std::move(values)) {}
  // Draws what core/random's fill_normal(key, first) would.
  Noise(const RandomKey& key, uint64_t first = 0)
      : source_{.drawn = true, .key = key, .first = first} {}

  bool given() const { return source_.drawn || values_.defined(); }
  const Tensor& values() const { return values_; }
  // Throws unless a tensor of noise has the shape and type of x.
  NoiseSource source_for(const Tensor& x, const char* op) const {
    IMAGO_CHECK(
        !values_.defined() || (values_.shape() == x.shape() && values_.dtype() == x.dtype()), op,
        ": noise must be ", x.shape(), " ", x.dtype(), ", got ", values_.shape(), " ",
        values_.dtype());
    check_same_device(op, x, {{"noise", values_}});
    NoiseSource source = source_;
    source.values = values_.raw();
    return source;
  }

 private:
  Tensor values_;
  NoiseSource source_;
};

}  // namespace imago::kernels
