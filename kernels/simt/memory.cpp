// Device memory in builds without the checker; AddressSanitizer's own allocator puts exact redzones around it.
#include "kernels/simt/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/simt/check/check.h"

namespace simt {

void* memory_allocate(size_t bytes) {
  void* p = nullptr;
  if (check::kChecking) {
    p = check::allocate(bytes);
  } else if (posix_memalign(&p, 256, std::max<size_t>(bytes, 1)) != 0) {
    return nullptr;
  }
  std::memset(p, 0xFF, bytes);
  return p;
}

void memory_release(void* p) {
  if (check::kChecking)
    check::release(p);
  else
    std::free(p);
}

void memory_written_by_host(const void* p, size_t bytes) { check::written_by_host(p, bytes); }

void memory_upload(void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
  memory_written_by_host(device, bytes);
}

void memory_download(void* host, const void* device, size_t bytes) { std::memcpy(host, device, bytes); }

}  // namespace simt
