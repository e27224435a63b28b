// Memory of the host that a device reads and writes by itself while the host does something else: how a training loop
// learns its loss without waiting for it, and how pictures travel while the step before them is still running.
#pragma once

#include "core/stream.h"
#include "core/tensor.h"

namespace imago {

//   PinnedBuffer losses(log.bytes(), device);
//   Event copied(device);
//   losses.copy_from(log);   // queued
//   copied.record();
//   ...
//   if (copied.has_happened()) use(losses.span<float>());
class PinnedBuffer {
 public:
  // Zeroed. `device` is the one that copies; on the CPU and the emulator this is memory like any other.
  PinnedBuffer(size_t bytes, Device device);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  size_t bytes() const { return bytes_; }
  template <typename T>
  std::span<T> span() const { return {static_cast<T*>(memory_), bytes_ / sizeof(T)}; }

  // Both are queued on the device's current stream and return at once; an Event that is recorded behind them tells when
  // they have happened. The tensor is on the device, and its bytes go to, or come from, the beginning of the buffer.
  // They may be part of a graph, which then has to be destroyed before the buffer.
  void copy_from(const Tensor& tensor);
  void copy_to(const Tensor& tensor) const;

 private:
  void check(const char* op, const Tensor& tensor) const;

  size_t bytes_;
  Device device_;
  void* memory_;
};

}  // namespace imago
