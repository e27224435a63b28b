// Elementary functions for kernels, in the namespace of the backend that is being compiled. On the CPU those of float
// are branch-free, so that loops over them become vector code; those of double, for gradient checks, are standard.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace imago::kernels::IMAGO_BACKEND {

// x with |x| cut to `limit`, NaN kept. It is done on the bits, with an integer minimum: compilers turn the float
// comparison into branches and continue each of them with a constant: slow, and full of denormals.
IMAGO_HOST_DEVICE inline float clamp_magnitude(float x, float limit) {
  const int32_t bits = std::bit_cast<int32_t>(x), size = bits & 0x7fffffff, most = std::bit_cast<int32_t>(limit);
  const int32_t is_nan = -static_cast<int32_t>(size > 0x7f800000);  // all ones, which is a NaN, or 0
  return std::bit_cast<float>((size < most ? size : most) | (bits ^ size) | is_nan);
}

// e^x with a relative error below 2e-7: 2^n * e^r with |r| <= ln(2)/2 and the Taylor polynomial of e^r, fitted
// (Cephes). Below -87.3 it is about 1e-38 instead of a denormal, above 87.3 about 8e37, for infinity too.
IMAGO_HOST_DEVICE inline float exp_of(float x) {
  x = clamp_magnitude(x, 87.3f);
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float n = (x * 1.44269504088896341f + shift) - shift;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}
IMAGO_HOST_DEVICE inline double exp_of(double x) { return std::exp(x); }

template <typename T>
IMAGO_HOST_DEVICE inline T sigmoid_of(T x) {
  return T(1) / (T(1) + exp_of(-x));
}

// silu(x) = x s(x); silu'(x) = s + x s (1 - s), s the sigmoid.
template <typename T>
IMAGO_HOST_DEVICE inline T silu_of(T x) {
  return x * sigmoid_of(x);
}
template <typename T>
IMAGO_HOST_DEVICE inline T silu_derivative(T x) {
  const T s = sigmoid_of(x);
  return s * (T(1) + x * (T(1) - s));
}

// tanh(x), absolute error below 2e-7: an odd polynomial near 0 (Cephes), 1 - 2 / (e^(2|x|) + 1) elsewhere.
IMAGO_HOST_DEVICE inline float tanh_of(float x) {
  const float z = x < 0 ? -x : x, square = x * x;
  float p = -5.70498872745e-3f;
  p = p * square + 2.06390887954e-2f;
  p = p * square + -5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square + -3.33332819422e-1f;
  const float far = 1.0f - 2.0f / (exp_of(2.0f * z) + 1.0f);
  return z < 0.625f ? p * square * x + x : (x < 0 ? -far : far);
}
IMAGO_HOST_DEVICE inline double tanh_of(double x) { return std::tanh(x); }

// The standard normal distribution function (1 + erf(x / sqrt 2)) / 2. In float: the tail beyond z = |x| is e^(-z^2/2)
// times a polynomial in 1 / (1 + 0.3 z), a minimax fit of relative error 1.5e-7 for z up to 14.
IMAGO_HOST_DEVICE inline float normal_cdf(float x) {
  const float z = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.3f * z);
  float p = 3.567475472e-02f;
  p = p * t + -1.572030001e-01f;
  p = p * t + 2.063533614e-01f;
  p = p * t + -5.368350877e-02f;
  p = p * t + 1.285615540e-01f;
  p = p * t + 9.991351436e-02f;
  p = p * t + 1.207539524e-01f;
  p = p * t + 1.196292991e-01f;
  const float tail = p * t * exp_of(-0.5f * (x * x));
  return x < 0 ? tail : 1.0f - tail;
}
IMAGO_HOST_DEVICE inline double normal_cdf(double x) { return 0.5 * std::erfc(x * -0.70710678118654752440); }

// Its derivative, the standard normal density.
template <typename T>
IMAGO_HOST_DEVICE inline T normal_density(T x) {
  return T(0.39894228040143267794) * exp_of(T(-0.5) * (x * x));
}

// 1 for an infinity and for NaN, 0 for any other number: what is left of x - x is 0 or NaN.
template <typename T>
IMAGO_HOST_DEVICE inline double non_finite(T x) {
  return x - x == T(0) ? 0.0 : 1.0;
}

}  // namespace imago::kernels::IMAGO_BACKEND
