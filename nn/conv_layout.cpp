#include "nn/conv_layout.h"

namespace imago::nn {
namespace {

// (O, A, B) -> (O, B, A)
Tensor swap_inner(const Tensor& weight, int64_t A, int64_t B, const Shape& shape) {
  const Tensor x = weight.to(Device::cpu);
  const Tensor y(shape, x.dtype(), Device::cpu);
  visit<float, double, bfloat16>(x.dtype(), "conv_layout", [&]<typename T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for (int64_t o = 0; o < x.dim(0); ++o, from += A * B, to += A * B)
      for (int64_t b = 0; b < B; ++b)
        for (int64_t a = 0; a < A; ++a) to[b * A + a] = from[a * B + b];
  });
  return y.to(weight.device());
}

}  // namespace

Tensor oihw_to_ohwi(const Tensor& weight) {
  IMAGO_CHECK(weight.rank() == 4, "oihw_to_ohwi: weight must be (O, I, KH, KW), got ",
              weight.shape());
  const int64_t O = weight.dim(0), I = weight.dim(1), KH = weight.dim(2), KW = weight.dim(3);
  return swap_inner(weight, I, KH * KW, {O, KH, KW, I});
}

Tensor ohwi_to_oihw(const Tensor& weight) {
  IMAGO_CHECK(weight.rank() == 4, "ohwi_to_oihw: weight must be (O, KH, KW, I), got ",
              weight.shape());
  const int64_t O = weight.dim(0), KH = weight.dim(1), KW = weight.dim(2), I = weight.dim(3);
  return swap_inner(weight, KH * KW, I, {O, I, KH, KW});
}

}  // namespace imago::nn
