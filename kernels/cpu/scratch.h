// Temporary memory of a kernel.
#pragma once

#include "core/allocator.h"
#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

// Scratch of n values that frees itself; from the caching allocator, so cheap.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t n)
      : bytes_(static_cast<size_t>(n) * sizeof(T)), data_(static_cast<T*>(allocate(bytes_, Device::cpu))) {}
  ~Scratch() { release(data_, bytes_, Device::cpu); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  size_t bytes_;
  T* data_;
};

}  // namespace imago::kernels::IMAGO_BACKEND
