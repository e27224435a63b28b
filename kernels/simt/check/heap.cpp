// Device memory in builds with the checker: one huge range of addresses with a shadow behind it. Addresses of large
// blocks are never handed out twice, so use after release is found however late; small blocks rest for a long time.
#include <sys/mman.h>

#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/check.h"
#include "kernels/simt/check/check.h"
#include "kernels/simt/check/shadow.h"

namespace simt::check {
namespace {

constexpr size_t kPage = 4096, kRedzone = 256, kResting = 1024;

void* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

class Heap {
 public:
  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t footprint = footprint_of(bytes);
    auto& resting = resting_[footprint];
    char* p;
    if (footprint < kPage && resting.size() > kResting) {
      p = resting.front();
      resting.pop_front();
    } else {
      p = fresh(footprint);
    }
    set_state(device_space, p, bytes, kValid);
    live_[p] = {bytes};
    return p;
  }

  void release(void* address) {
    if (!address) return;
    const std::lock_guard lock(mutex_);
    char* p = static_cast<char*>(address);
    const auto found = live_.find(p);
    IMAGO_CHECK(found != live_.end(), "simt: released memory must have been allocated and not released yet");
    const size_t footprint = footprint_of(found->second.bytes), first = static_cast<size_t>(p - device_space.base) / 4;
    live_.erase(found);
    if (footprint < kPage) {
      std::memset(device_space.states + first, 0, footprint / 4 * sizeof(State));
      std::memset(static_cast<void*>(device_space.granules + first), 0, footprint / 4 * sizeof(Granule));
      resting_[footprint].push_back(p);
    } else {  // footprints are multiples of 8 KiB then, and so the shadows are whole pages
      discard(p, footprint);
      discard(device_space.states + first, footprint / 4 * sizeof(State));
      discard(device_space.granules + first, footprint / 4 * sizeof(Granule));
    }
  }

  // A host that goes through a tensor element by element announces all of it each time.
  void written_by_host(const char* p, size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto block = live_.upper_bound(p);
    if (block == live_.begin()) return;
    Live& live = (--block)->second;
    if (live.written) return;
    live.written = block->first == p && live.bytes == bytes;
    set_state(device_space, p, bytes, kWritten);
  }

 private:
  // With the redzone behind it; what lies before it is the one before's redzone.
  static size_t footprint_of(size_t bytes) {
    const size_t small = round_up(bytes + kRedzone, kRedzone);
    return small < kPage ? small : round_up(bytes + kRedzone, 2 * kPage);
  }

  static void discard(void* p, size_t bytes) { madvise(p, bytes, MADV_DONTNEED); }

  // Small blocks are cut from chunks, so that large ones begin at multiples of 8 KiB.
  char* fresh(size_t footprint) {
    if (footprint >= kPage) return take(footprint);
    if (chunk_left_ < footprint) {
      chunk_left_ = 16 * kPage;
      chunk_ = take(chunk_left_);
    }
    char* p = chunk_;
    chunk_ += footprint;
    chunk_left_ -= footprint;
    return p;
  }

  char* take(size_t footprint) {
    if (!device_space.base) make_space();
    IMAGO_CHECK(top_ + footprint <= device_space.bytes, "simt: the checker has run out of addresses for device memory");
    char* p = device_space.base + top_;
    top_ += footprint;
    return p;
  }

  void make_space() {
    for (size_t bytes = size_t{1} << 40; bytes >= size_t{1} << 30; bytes /= 4) {
      void* base = reserve(bytes);
      void* granules = reserve(bytes / 4 * sizeof(Granule));
      void* states = reserve(bytes / 4 * sizeof(State));
      if (base && granules && states) {
        device_space = {static_cast<char*>(base),    bytes,         static_cast<Granule*>(granules),
                        static_cast<State*>(states), &clock.launch, "device memory"};
        top_ = 2 * kPage;  // the first one's redzone
        return;
      }
      if (base) munmap(base, bytes);
      if (granules) munmap(granules, bytes / 4 * sizeof(Granule));
      if (states) munmap(states, bytes / 4 * sizeof(State));
    }
    imago::fail("simt: the checker cannot reserve addresses for device memory");
  }

  std::mutex mutex_;
  struct Live {
    size_t bytes;
    bool written = false;  // by the host, all of it
  };
  std::map<const char*, Live> live_;
  std::unordered_map<size_t, std::deque<char*>> resting_;
  size_t top_ = 0, chunk_left_ = 0;
  char* chunk_ = nullptr;
};

Heap& heap() {
  static Heap* h = new Heap;  // device memory may be released by the last destructors
  return *h;
}

}  // namespace

void* allocate(size_t bytes) {
  Pause pause;
  return heap().allocate(bytes);
}
void release(void* p) {
  Pause pause;
  heap().release(p);
}
void written_by_host(const void* p, size_t bytes) {
  if (!bytes || !device_space.has(p)) return;  // copies go to the host's memory too
  Pause pause;
  heap().written_by_host(static_cast<const char*>(p), bytes);
}

}  // namespace simt::check
