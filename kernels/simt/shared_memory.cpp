// The shared memory of a block: a window that is cut into arrays as threads ask for them.
#include "kernels/simt/shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "kernels/simt/scheduler.h"

namespace simt::detail {
namespace {

char* take(Block& b, size_t bytes, size_t alignment) {
  const size_t at = (b.shared_top + alignment - 1) / alignment * alignment;
  b.shared_top = at + bytes + kSharedRedzone;
  char* p = b.shared + at;
  asan::unpoison(p, bytes);
  check::shared_array(p, bytes);
  std::memset(p, 0xFF, bytes);
  return p;
}

void make_window(Block& b) {  // aligned for swizzles, which look at the address
  constexpr size_t alignment = 4096;
  void* p = mmap(nullptr, kSharedWindow + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  IMAGO_CHECK(p != MAP_FAILED, "simt: no memory for a block's shared memory");
  b.shared = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(p) + alignment - 1) / alignment * alignment);
}

}  // namespace

void reset_shared(Block& b) {
  if (!b.shared) make_window(b);
  asan::poison(b.shared, kSharedWindow);
  b.static_bytes = b.shared_top = b.array_count = 0;
  check::shared_window(b.shared, kSharedWindow);
  if (b.dynamic_bytes) take(b, b.dynamic_bytes, 1024);  // first, hence at the window's own alignment
}

void* static_shared(const void* key, const char* name, size_t bytes, size_t alignment) {
  Block& b = *self().block;
  for (unsigned i = 0; i < b.array_count; ++i)
    if (b.arrays[i].key == key) return b.arrays[i].at;
  b.static_bytes += bytes;
  const Options& o = options();
  const size_t most = b.dynamic_bytes > o.asked_above ? o.max_shared : o.max_unasked_shared;
  if (b.static_bytes > o.max_static_shared || b.static_bytes + b.dynamic_bytes > most ||
      b.array_count == kMaxSharedArrays || b.shared_top + bytes + alignment + kSharedRedzone > kSharedWindow) {
    fail(b, "too much shared memory: %zu static bytes up to \"%s\" and %zu dynamic ones", b.static_bytes, name,
         b.dynamic_bytes);
  }
  b.arrays[b.array_count] = {key, take(b, bytes, std::max<size_t>(alignment, 16))};
  return b.arrays[b.array_count++].at;
}

void* dynamic_shared() { return self().block->shared; }

uint32_t shared_offset(const void* p, Site site) {
  Block& b = *self().block;
  const ptrdiff_t d = static_cast<const char*>(p) - b.shared;
  if (d < 0 || d >= static_cast<ptrdiff_t>(kSharedWindow)) {
    fail(b, "%s: address %p is not in shared memory", describe(site).text, p);
  }
  return static_cast<uint32_t>(d);
}

void misaligned(const void* p, size_t bytes, Site site) {
  if (!in_kernel()) return;
  fail(*self().block, "%s: misaligned: address %p must be a multiple of %zu bytes", describe(site).text, p, bytes);
}

}  // namespace simt::detail
