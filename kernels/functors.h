// The element-wise operations, each beside its derivative, in the namespace of the backend that is being compiled: the
// CPU's loops and the CUDA kernels are made from the same lines.
#pragma once

#include "kernels/math.h"
#include "kernels/options.h"

namespace imago::kernels::IMAGO_BACKEND {

// ---- one operand: y = value(x), dx = dy * derivative(x) ----

struct Silu {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return silu_of(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) { return silu_derivative(x); }
};

// x P(x) with the normal distribution function P, Hendrycks & Gimpel 2016 (arXiv:1606.08415), without approximation.
struct Gelu {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return x * normal_cdf(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) { return normal_cdf(x) + x * normal_density(x); }
};

struct Relu {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return x < T(0) ? T(0) : x; }  // NaN stays NaN
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) { return x > T(0) ? T(1) : T(0); }
};

struct Sigmoid {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return sigmoid_of(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) {
    const T s = sigmoid_of(x);
    return s * (T(1) - s);
  }
};

struct Tanh {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return tanh_of(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) {
    const T t = tanh_of(x);
    return (T(1) - t) * (T(1) + t);
  }
};

// x tanh(ln(1 + e^x)), Misra 2019 (arXiv:1908.08681). With e = e^x and n = e (e + 2) the tanh is n / (n + 2), which
// needs no logarithm and cancels nowhere. From x = 40 on it is 1, and e is kept from overflowing.
struct Mish {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) {
    const T e = exp_of(x > T(40) ? T(40) : x), n = e * (e + T(2));
    return x * (n / (n + T(2)));
  }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) {
    const T z = x > T(40) ? T(40) : x;
    const T e = exp_of(z), n = e * (e + T(2)), inverse = T(1) / (n + T(2));
    return n * inverse + T(4) * z * (e * inverse) * ((e + T(1)) * inverse);
  }
};

struct Exp {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return exp_of(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) { return exp_of(x); }
};

struct Sqrt {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T x) { return std::sqrt(x); }
  template <typename T>
  IMAGO_HOST_DEVICE static T derivative(T x) { return T(0.5) / std::sqrt(x); }
};

// Runs f.operator()<Op>() with the functor that `op` stands for.
template <typename F>
void visit_op(UnaryOp op, F&& f) {
  switch (op) {
    case UnaryOp::silu: return f.template operator()<Silu>();
    case UnaryOp::gelu: return f.template operator()<Gelu>();
    case UnaryOp::relu: return f.template operator()<Relu>();
    case UnaryOp::sigmoid: return f.template operator()<Sigmoid>();
    case UnaryOp::tanh: return f.template operator()<Tanh>();
    case UnaryOp::mish: return f.template operator()<Mish>();
    case UnaryOp::exp: return f.template operator()<Exp>();
    case UnaryOp::sqrt: return f.template operator()<Sqrt>();
  }
}

// ---- two operands ----

struct Add {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T a, T b) { return a + b; }
};
struct Sub {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T a, T b) { return a - b; }
};
struct Mul {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T a, T b) { return a * b; }
};
struct Div {
  template <typename T>
  IMAGO_HOST_DEVICE static T value(T a, T b) { return a / b; }
};

template <typename F>
void visit_op(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::add: return f.template operator()<Add>();
    case BinaryOp::sub: return f.template operator()<Sub>();
    case BinaryOp::mul: return f.template operator()<Mul>();
    case BinaryOp::div: return f.template operator()<Div>();
  }
}

// ---- losses of d = prediction - target; V is a number or a vector register of numbers ----

struct SquaredLoss {
  template <typename V>
  IMAGO_HOST_DEVICE V value(V d) const { return d * d; }
  template <typename V>
  IMAGO_HOST_DEVICE V derivative(V d) const { return d + d; }
};

struct AbsoluteLoss {
  template <typename V>
  IMAGO_HOST_DEVICE V value(V d) const { return d < V{} ? -d : d; }
  template <typename V>
  IMAGO_HOST_DEVICE V derivative(V d) const {
    const V one = V{} + 1;
    return d > V{} ? one : (d < V{} ? -one : V{});
  }
};

// Huber 1964: d^2 / 2 up to |d| = delta, from there on the tangent, delta (|d| - delta / 2).
template <typename T>
struct HuberLoss {
  T delta;

  template <typename V>
  IMAGO_HOST_DEVICE V value(V d) const {
    const V size = d < V{} ? -d : d, limit = V{} + delta, half = V{} + T(0.5);
    return size <= limit ? half * d * d : limit * (size - half * limit);
  }
  template <typename V>
  IMAGO_HOST_DEVICE V derivative(V d) const {
    const V limit = V{} + delta;
    return d > limit ? limit : (d < -limit ? -limit : d);
  }
};

}  // namespace imago::kernels::IMAGO_BACKEND
