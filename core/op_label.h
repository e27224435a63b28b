// Which operation asked for memory, so that statistics and messages can tell.
#pragma once

#include "core/device.h"

namespace imago {

// While it lives, what this thread allocates is put down to `op`, a string that lives for ever.
class OpLabel {
 public:
  explicit OpLabel(const char* op);
  ~OpLabel();
  OpLabel(const OpLabel&) = delete;
  OpLabel& operator=(const OpLabel&) = delete;

 private:
  const char* before_;
};
const char* current_op();  // or null

// Puts a block down to `op` after the fact, unless it is put down to another. An address inside a block is ignored.
void label_memory(void* memory, Device device, const char* op) noexcept;

}  // namespace imago
