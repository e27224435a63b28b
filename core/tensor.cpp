#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/device_memory.h"

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

void require(const Tensor& t, const char* op) { IMAGO_CHECK(t.defined(), op, ": the tensor is undefined"); }

// The tensor itself, or a copy, where the host can read it.
Tensor readable(const Tensor& t) { return t.on_host() ? t : t.to(Device::cpu); }

// One of two devices knows how to copy between both.
void copy_bytes(const Tensor& to, const Tensor& from) {
  const Device device = to.device() == Device::cpu ? from.device() : to.device();
  if (to.numel()) device_memory(device).copy(to.raw(), from.raw(), to.bytes());
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
  t.fill(0);
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t(shape, dtype, device);
  t.fill(value);
  return t;
}

template <typename T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape, Device device) {
  IMAGO_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), "Tensor::from: shape ", shape, " has ",
              shape.numel(), " elements, got ", values.size(), " values");
  Tensor t(shape, dtype_of<T>, device);
  if (!values.empty()) device_memory(t.device()).copy(t.raw(), values.data(), values.size_bytes());
  return t;
}
template Tensor Tensor::from(std::span<const float>, const Shape&, Device);
template Tensor Tensor::from(std::span<const double>, const Shape&, Device);
template Tensor Tensor::from(std::span<const bfloat16>, const Shape&, Device);
template Tensor Tensor::from(std::span<const int32_t>, const Shape&, Device);
template Tensor Tensor::from(std::span<const int64_t>, const Shape&, Device);
template Tensor Tensor::from(std::span<const uint8_t>, const Shape&, Device);

double Tensor::item() const {
  require(*this, "Tensor::item");
  IMAGO_CHECK(numel() == 1, "Tensor::item: tensor must have one element, got shape ", shape_);
  return to_vector<double>()[0];
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  require(*this, "Tensor::to_vector");
  if (!on_host()) return to(Device::cpu).to_vector<T>();
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
  require(*this, "Tensor::clone");
  Tensor t = empty_like(*this);
  copy_bytes(t, *this);
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t(shape_, dtype, device());
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(Device device) const {
  if (!defined() || device == this->device()) return *this;
  const Tensor t(shape_, dtype_, device);
  copy_bytes(t, *this);
  return t;
}

void Tensor::fill(double value) {
  require(*this, "Tensor::fill");
  bump_version();
  if (!on_host()) return copy_bytes(*this, full(shape_, value, dtype_, Device::cpu));
  visit_any(dtype_, "Tensor::fill", [&]<typename T>() {
    const T v = convert<T>(value);
    for (T& x : span<T>()) x = v;
  });
}

void Tensor::copy_from(const Tensor& other) {
  require(*this, "Tensor::copy_from");
  require(other, "Tensor::copy_from");
  IMAGO_CHECK(shape_ == other.shape_, "Tensor::copy_from: shape must be ", shape_, ", got ", other.shape_);
  bump_version();
  if (dtype_ == other.dtype_) {
    copy_bytes(*this, other);
    return;
  }
  if (!on_host()) return copy_bytes(*this, readable(other).to(dtype_));
  if (!other.on_host()) return copy_from(readable(other));
  visit_any(dtype_, "Tensor::copy_from", [&]<typename To>() {
    visit_any(other.dtype_, "Tensor::copy_from", [&]<typename From>() {
      const From* x = other.data<From>();
      To* y = data<To>();
      for (int64_t i = 0; i < numel(); ++i) y[i] = convert<To>(x[i]);
    });
  });
}

bool Tensor::on_host() const { return device_memory(device()).on_host; }

void Tensor::open_to_host() const {
  const DeviceMemory& memory = device_memory(device());
  IMAGO_CHECK(memory.on_host, "Tensor::data: the tensor is on ", device(),
              ", out of the host's reach; use to(Device::cpu)");
  memory.open_to_host(raw(), bytes());
}

}  // namespace imago
