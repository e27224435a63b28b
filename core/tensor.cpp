#include "core/tensor.h"

#include <algorithm>

#include "core/device_memory.h"
#include "core/element_cast.h"
#include "core/recording.h"

namespace imago {
namespace {

void require(const Tensor& t, const char* op) { IMAGO_CHECK(t.defined(), op, ": the tensor is undefined"); }

// Within one device a copy is queued; between a device and the host it has happened when the call returns. One of two
// devices knows how to copy between both.
void copy_bytes(const char* op, const Tensor& to, const Tensor& from) {
  const Device device = to.device() == Device::cpu ? from.device() : to.device();
  if (to.device() != from.device()) {
    check_host_access(op, to.device());
    check_host_access(op, from.device());
  }
  if (!to.numel() || recording(device) == Recording::dry_run) return;
  device_memory(device).copy(to.raw(), from.raw(), to.bytes(), current_stream(device));
  if (to.device() != from.device()) synchronize(device);
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
  check_host_access("Tensor::from", device);
  Tensor t(shape, dtype_of<T>, device);
  if (values.empty()) return t;
  device_memory(device).copy(t.raw(), values.data(), values.size_bytes(), current_stream(device));
  synchronize(device);
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
  check_host_access("Tensor::item", device());
  IMAGO_CHECK(numel() == 1, "Tensor::item: tensor must have one element, got shape ", shape_);
  return to_vector<double>()[0];
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  require(*this, "Tensor::to_vector");
  check_host_access("Tensor::to_vector", device());
  if (!on_host()) return to(Device::cpu).to_vector<T>();
  std::vector<T> out(static_cast<size_t>(numel()));
  visit_element(dtype_, "Tensor::to_vector", [&]<typename From>() {
    const From* x = data<From>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = element_cast<T>(x[i]);
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
  copy_bytes("Tensor::clone", t, *this);
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
  copy_bytes("Tensor::to", t, *this);
  return t;
}

void Tensor::fill(double value) {
  require(*this, "Tensor::fill");
  bump_version();
  const Device on = device();
  if (numel()) device_memory(on).fill(raw(), dtype_, numel(), value, current_stream(on));
}

void Tensor::copy_from(const Tensor& other) {
  require(*this, "Tensor::copy_from");
  require(other, "Tensor::copy_from");
  IMAGO_CHECK(shape_ == other.shape_, "Tensor::copy_from: shape must be ", shape_, ", got ", other.shape_);
  bump_version();
  const Device on = device();
  if (dtype_ == other.dtype_) return copy_bytes("Tensor::copy_from", *this, other);
  if (on != other.device()) return copy_bytes("Tensor::copy_from", *this, other.to(dtype_));
  if (numel())
    device_memory(on).convert(raw(), dtype_, other.raw(), other.dtype_, numel(), current_stream(on));
}

bool Tensor::on_host() const { return device_memory(device()).on_host && recording(device()) == Recording::none; }

void Tensor::open_to_host() const {
  check_host_access("Tensor::data", device());
  const DeviceMemory& memory = device_memory(device());
  IMAGO_CHECK(memory.on_host, "Tensor::data: the tensor is on ", device(),
              ", out of the host's reach; use to(Device::cpu)");
  memory.open_to_host(raw(), bytes());
}

}  // namespace imago
