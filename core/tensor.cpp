#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace imago {
namespace {

// Runs f<T>() for any element type.
template <typename F>
void visit_any(DType dtype, const char* op, F&& f) {
  visit<float, double, bfloat16, int32_t, int64_t, uint8_t>(dtype, op, f);
}

// The integer towards zero from x; the nearest one that T has if that is not in T; 0 for NaN.
template <typename T>
T truncate(double x) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(x)) return 0;
  // 2^k is a double for every k, so `end` is exact where double(max) would be rounded up.
  const double end = 2.0 * static_cast<double>(Limits::max() / 2 + 1);
  if (x >= end) return Limits::max();
  if (x <= static_cast<double>(Limits::min())) return Limits::min();
  return static_cast<T>(x);
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return truncate<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

void require_host(const Tensor& t, const char* op) {
  IMAGO_CHECK(t.defined(), op, ": the tensor is undefined");
  IMAGO_CHECK(t.device() == Device::cpu, op, ": tensor must be on cpu, got ", t.device());
}

size_t bytes_of(const Shape& shape, DType dtype) {
  const size_t element = size_of(dtype);
  IMAGO_CHECK(static_cast<size_t>(shape.numel()) <= (size_t{1} << 62) / element, "Tensor: ", shape, " of ", dtype,
              " does not fit in any memory");
  return static_cast<size_t>(shape.numel()) * element;
}

}  // namespace

Tensor::Tensor(const Shape& shape, DType dtype, Device device)
    : storage_(std::make_shared<Storage>(bytes_of(shape, dtype), device)),
      shape_(shape),
      dtype_(dtype) {}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t(shape, dtype, device);
  require_host(t, "Tensor::zeros");
  if (t.numel()) std::memset(t.raw(), 0, t.bytes());
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t(shape, dtype, device);
  t.fill(value);
  return t;
}

template <typename T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  IMAGO_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), "Tensor::from: shape ", shape, " has ",
              shape.numel(), " elements, got ", values.size(), " values");
  Tensor t(shape, dtype_of<T>);
  if (!values.empty()) std::memcpy(t.raw(), values.data(), values.size_bytes());
  return t;
}
template Tensor Tensor::from(std::span<const float>, const Shape&);
template Tensor Tensor::from(std::span<const double>, const Shape&);
template Tensor Tensor::from(std::span<const bfloat16>, const Shape&);
template Tensor Tensor::from(std::span<const int32_t>, const Shape&);
template Tensor Tensor::from(std::span<const int64_t>, const Shape&);
template Tensor Tensor::from(std::span<const uint8_t>, const Shape&);

double Tensor::item() const {
  require_host(*this, "Tensor::item");
  IMAGO_CHECK(numel() == 1, "Tensor::item: tensor must have one element, got shape ", shape_);
  return to_vector<double>()[0];
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  require_host(*this, "Tensor::to_vector");
  std::vector<T> out(static_cast<size_t>(numel()));
  visit_any(dtype_, "Tensor::to_vector", [&]<typename From>() {
    const From* x = data<From>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = convert<T>(x[i]);
  });
  return out;
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;

Tensor Tensor::reshape(std::span<const int64_t> dims) const {
  std::vector<int64_t> resolved(dims.begin(), dims.end());
  const auto unknown = std::find(resolved.begin(), resolved.end(), -1);
  if (unknown != resolved.end()) {
    IMAGO_CHECK(std::find(unknown + 1, resolved.end(), -1) == resolved.end(), "reshape: only one extent may be -1");
    *unknown = 1;
    const int64_t known = Shape(resolved).numel();
    IMAGO_CHECK(known > 0 && numel() % known == 0, "reshape: cannot infer -1 for the ", numel(), " elements of ",
                shape_, ": the other extents multiply to ", known);
    *unknown = numel() / known;
  }
  Tensor t = *this;
  t.shape_ = Shape(resolved);
  IMAGO_CHECK(t.numel() == numel(), "reshape: ", shape_, " has ", numel(), " elements, ", t.shape_, " has ", t.numel());
  return t;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  IMAGO_CHECK(rank() > 0, "slice: a scalar has no rows");
  IMAGO_CHECK(0 <= begin && begin <= end && end <= dim(0), "slice: rows [", begin, ", ", end, ") are not in ", shape_);
  const int64_t row = dim(0) ? numel() / dim(0) : 0;
  return view(begin * row, shape_.with(0, end - begin));
}

Tensor Tensor::view(int64_t offset, const Shape& shape) const {
  IMAGO_CHECK(offset >= 0 && offset <= numel() && shape.numel() <= numel() - offset, "view: ", shape,
              " from element ", offset, " on is not in ", shape_);
  Tensor t = *this;
  t.offset_ += static_cast<size_t>(offset) * size_of(dtype_);
  t.shape_ = shape;
  return t;
}

Tensor Tensor::clone() const {
  require_host(*this, "Tensor::clone");
  Tensor t = empty_like(*this);
  if (numel()) std::memcpy(t.raw(), raw(), bytes());
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t(shape_, dtype, device());
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(Device device) const {
  IMAGO_CHECK(device == this->device(), "Tensor::to: this build of imago has no device ", device);
  return *this;
}

void Tensor::fill(double value) {
  require_host(*this, "Tensor::fill");
  bump_version();
  visit_any(dtype_, "Tensor::fill", [&]<typename T>() {
    const T v = convert<T>(value);
    for (T& x : span<T>()) x = v;
  });
}

void Tensor::copy_from(const Tensor& other) {
  require_host(*this, "Tensor::copy_from");
  require_host(other, "Tensor::copy_from");
  IMAGO_CHECK(shape_ == other.shape_, "Tensor::copy_from: shape must be ", shape_, ", got ", other.shape_);
  bump_version();
  if (dtype_ == other.dtype_) {
    if (numel()) std::memmove(raw(), other.raw(), bytes());
    return;
  }
  visit_any(dtype_, "Tensor::copy_from", [&]<typename To>() {
    visit_any(other.dtype_, "Tensor::copy_from", [&]<typename From>() {
      const From* x = other.data<From>();
      To* y = data<To>();
      for (int64_t i = 0; i < numel(); ++i) y[i] = convert<To>(x[i]);
    });
  });
}

}  // namespace imago
