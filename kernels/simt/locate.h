// From program addresses to the source, by addr2line: for messages only, it takes a fraction of a second.
#pragma once

#include <string>
#include <vector>

namespace simt::detail {

struct Frame {
  std::string function, file;  // without parameter list; with its path
  int line = 0;
};

// The frames at the call that returns to `pc`, innermost of the inlined ones first; empty if nothing is known.
const std::vector<Frame>& frames_at(const void* pc);

std::string function_name(const void* function);  // "kernel" if it is not known

}  // namespace simt::detail
