// cp.async: a copy is carried out when the thread waits for it, as late as a device may. Until then its destination
// holds NaNs, so that a missing wait shows, and for the race check the thread writes there at either end of that time.
#include <algorithm>
#include <cstring>

#include "kernels/simt/scheduler.h"
#include "kernels/simt/tensor_core.h"

namespace simt::detail {

constexpr unsigned kMaxCopies = 256;  // outstanding, of one thread

void copy_async(void* dst, const void* src, unsigned bytes, int src_bytes, Site site) {
  Lane& me = self();
  Block& b = *me.block;
  AsyncQueue& queue = me.async;
  if (src_bytes < 0 || src_bytes > static_cast<int>(bytes)) {
    fail(b, "%s: src_bytes must be from 0 to %u, got %d", describe(site).text, bytes, src_bytes);
  }
  if (shared_offset(dst, site) % bytes != 0) {
    fail(b, "%s: misaligned: dst must be a multiple of %u bytes", describe(site).text, bytes);
  }
  if (src_bytes && reinterpret_cast<uintptr_t>(src) % bytes != 0) {
    fail(b, "%s: misaligned: src must be a multiple of %u bytes", describe(site).text, bytes);
  }
  if (queue.count == kMaxCopies) fail(b, "%s: more than %u copies outstanding", describe(site).text, kMaxCopies);
  if (!queue.copies) queue.copies = new AsyncCopy[kMaxCopies];
  const void* pc = __builtin_return_address(0);
  check::async_begin(dst, bytes, src, static_cast<size_t>(src_bytes), pc);
  std::memset(dst, 0xFF, bytes);
  queue.copies[(queue.head + queue.count++) % kMaxCopies] = {
      dst, src, pc, bytes, static_cast<uint32_t>(src_bytes), queue.group};
}

void commit_async() { ++self().async.group; }

void wait_async(unsigned left) {
  AsyncQueue& queue = self().async;
  // Copies that are in no group yet stay outstanding, as do the last `left` groups.
  while (queue.count && queue.copies[queue.head].group + left < queue.group) {
    const AsyncCopy c = queue.copies[queue.head];
    queue.head = (queue.head + 1) % kMaxCopies;
    --queue.count;
    check::async_end(c.dst, c.bytes, c.src, c.src_bytes, c.pc);
    std::memcpy(c.dst, c.src, c.src_bytes);
    std::memset(static_cast<char*>(c.dst) + c.src_bytes, 0, c.bytes - c.src_bytes);
  }
}

}  // namespace simt::detail
