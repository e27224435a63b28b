#include "core/pinned_buffer.h"

#include <cstring>

#include "core/device_memory.h"
#include "core/recording.h"

namespace imago {

PinnedBuffer::PinnedBuffer(size_t bytes, Device device)
    : bytes_(bytes), device_(device), memory_(bytes ? device_memory(device).allocate_pinned(bytes) : nullptr) {
  IMAGO_CHECK(memory_ || !bytes, "PinnedBuffer: the host has no ", bytes_text(bytes), " for ", device, " to copy to");
  if (bytes) std::memset(memory_, 0, bytes);
}

PinnedBuffer::~PinnedBuffer() {
  if (memory_) device_memory(device_).release_pinned(memory_);
}

void PinnedBuffer::check(const char* op, const Tensor& tensor) const {
  IMAGO_CHECK(tensor.defined() && tensor.device() == device_, op, ": the tensor must be on ", device_, ", got ",
              tensor.defined() ? name_of(tensor.device()) : "nothing");
  IMAGO_CHECK(tensor.bytes() <= bytes_, op, ": the tensor must have at most ", bytes_, " bytes, got ", tensor.bytes());
}

void PinnedBuffer::copy_from(const Tensor& tensor) {
  check("PinnedBuffer::copy_from", tensor);
  if (!tensor.bytes() || recording(device_) == Recording::dry_run) return;
  device_memory(device_).copy(memory_, tensor.raw(), tensor.bytes(), current_stream(device_));
}

void PinnedBuffer::copy_to(const Tensor& tensor) const {
  check("PinnedBuffer::copy_to", tensor);
  tensor.bump_version();
  if (!tensor.bytes() || recording(device_) == Recording::dry_run) return;
  device_memory(device_).copy(tensor.raw(), memory_, tensor.bytes(), current_stream(device_));
}

}  // namespace imago
