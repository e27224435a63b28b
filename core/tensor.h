// A dense row-major array on one device. Images are (N, H, W, C). A Tensor knows memory and shape, never history.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/check.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

namespace imago {

// A handle: copies share the memory. Views are reshape() and slice() of the leading axis, nothing else, so that every
// tensor is contiguous and no kernel does stride arithmetic.
class Tensor {
 public:
  Tensor() = default;  // undefined
  // Uninitialised memory.
  explicit Tensor(const Shape& shape, DType dtype = DType::f32, Device device = default_device());

  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = default_device());
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = default_device());
  static Tensor empty_like(const Tensor& t) { return Tensor(t.shape_, t.dtype_, t.device()); }
  static Tensor zeros_like(const Tensor& t) { return zeros(t.shape_, t.dtype_, t.device()); }
  // The values, copied; as many as the shape has elements.
  template <typename T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device device = default_device());
  template <typename T>
  static Tensor from(std::initializer_list<T> values, const Shape& shape, Device device = default_device()) {
    return from(std::span<const T>(values.begin(), values.size()), shape, device);
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int i) const { return shape_[i]; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device::cpu; }

  // The first element; null if undefined. Memory of the device: for kernels.
  void* raw() const { return storage_ ? static_cast<char*>(storage_->memory()) + offset_ : nullptr; }
  // The same, typed, for the host to read and write. Throws if T is not the tensor's type, the memory of its device is
  // out of the host's reach, or a graph is being captured (core/graph.h): then there is nothing to see yet.
  template <typename T>
  T* data() const {
    IMAGO_CHECK(!defined() || dtype_ == dtype_of<T>, "Tensor::data: tensor holds ", dtype_, ", asked for ",
                dtype_of<T>);
    if (defined()) open_to_host();
    return static_cast<T*>(raw());
  }
  // Whether data() works: on cpu and simt, on cuda with managed memory (see core/device_memory.h); never while a graph
  // of the device is being captured.
  bool on_host() const;
  template <typename T>
  std::span<T> span() const { return {data<T>(), static_cast<size_t>(numel())}; }
  // The only element of a one-element tensor, as double. Throws if there are more.
  double item() const;
  // All elements, converted.
  template <typename T>
  std::vector<T> to_vector() const;

  // The same memory seen as `shape`; one extent may be -1 and is then inferred. Throws if the element counts differ.
  Tensor reshape(std::initializer_list<int64_t> dims) const { return reshape(std::span(dims.begin(), dims.size())); }
  Tensor reshape(std::span<const int64_t> dims) const;
  Tensor reshape(const Shape& shape) const { return reshape(shape.span()); }
  // Rows [begin, end) of the leading axis, the same memory.
  Tensor slice(int64_t begin, int64_t end) const;
  // `shape` elements from element `offset` on, the same memory: how parameters live in one flat arena.
  Tensor view(int64_t offset, const Shape& shape) const;
  Tensor clone() const;
  // A copy with another element type or on another device; the tensor itself if nothing changes. f32 to bf16 rounds to
  // nearest even. Floating point to integers truncates; what is out of range becomes the nearest limit, NaN becomes 0.
  Tensor to(DType dtype) const;
  Tensor to(Device device) const;

  // In-place writes. They count as such for autograd, see Storage::version(). Within a device these, clone() and to()
  // are work like any other: queued on current_stream(), and part of a graph that is being captured.
  void fill(double value);  // converted as by to()
  void copy_from(const Tensor& other);  // same shape, any dtype
  void bump_version() const { if (storage_) storage_->bump_version(); }
  uint64_t version() const { return storage_ ? storage_->version() : 0; }

  // Whether nobody else holds this memory, so that it may be written without anyone noticing.
  bool unique() const { return storage_.use_count() == 1; }
  bool shares_memory_with(const Tensor& other) const { return defined() && storage_ == other.storage_; }

 private:
  void open_to_host() const;

  std::shared_ptr<Storage> storage_;
  size_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::f32;
};

}  // namespace imago
