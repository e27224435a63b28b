// What the fuzz targets share: bytes that have a path, for readers of files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/check.h"

namespace imago::fuzz {

// A file in memory with these contents, the same one at every call.
inline std::string file_of(std::string_view bytes) {
  static const int descriptor = ::memfd_create("input", 0);
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    std::abort();
  return "/proc/self/fd/" + std::to_string(descriptor);
}

// Readers may throw imago::Error and nothing else.
template <typename F>
int run(F&& read) {
  try {
    read();
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) std::abort();
  }
  return 0;
}

}  // namespace imago::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
