// Tensors of random numbers. Element `first + i` of the key's sequence goes to element i of the tensor, so that a batch
// drawn in parts equals the batch drawn at once. The host draws; kernels/fill_random.h draws on the tensor's device.
#pragma once

#include "core/philox.h"
#include "core/tensor.h"

namespace imago {

// The streams that imago itself draws from; any other number is free.
enum RandomStream : uint32_t {
  kInitStream = 1,
  kShuffleStream,
  kFlipStream,
  kTimestepStream,
  kNoiseStream,
  kSampleStream,
  kDropoutStream = 1000,  // + the layer's number
};

// Uniform in [low, high), drawn in f32 and rounded to out's type: f32, f64 or bf16.
void fill_uniform(Tensor& out, const RandomKey& key, double low = 0, double high = 1, uint64_t first = 0);
// Normal with mean 0 and the given standard deviation; out is f32, f64 or bf16.
void fill_normal(Tensor& out, const RandomKey& key, double stddev = 1, uint64_t first = 0);
// The same standard normals into plain memory, on this thread: for kernels that draw their noise
// tile by tile. They do not draw themselves, because their own code may contract a * b + c.
void draw_normals(float* out, int64_t n, const RandomKey& key, uint64_t first);
void draw_normals(double* out, int64_t n, const RandomKey& key, uint64_t first);
// Integers in [0, n), n at most 2^31; out is i32 or i64.
void fill_integers(Tensor& out, const RandomKey& key, int64_t n, uint64_t first = 0);

// What a fill writes: uniforms in [a, b), normals of mean 0 and standard deviation a, or integers in [0, a).
enum class Distribution : uint8_t { uniform, normal, integer };
struct RandomFill {
  void* out;  // (n)
  int64_t n;
  RandomKey key;
  uint64_t first;
  Distribution distribution;
  double a, b;
  DType dtype;
};
// The functions above, for memory of the host. kernels/fill_random.h has them for every device.
void fill_on_host(const RandomFill& fill);

Tensor rand(const Shape& shape, const RandomKey& key, DType dtype = DType::f32);
Tensor randn(const Shape& shape, const RandomKey& key, DType dtype = DType::f32);
Tensor randint(const Shape& shape, const RandomKey& key, int64_t n);  // i64

}  // namespace imago
