// Accesses that are not as they should be, and those that the emulator makes in the name of a thread.
#include "kernels/simt/check/shadow.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <cstring>

#include "kernels/simt/check/check.h"

extern "C" char __executable_start, end;

namespace simt::check {

Space shared_space, device_space;

namespace {

const char* call_begin = nullptr;  // the running kernel's arguments
size_t call_size = 0;

// The granules of a block's window of shared memory; it may have 227 KiB.
constexpr size_t kWindowGranules = 256 * 1024 / 4;
Granule shared_granules[kWindowGranules];
State shared_states[kWindowGranules];
size_t shared_used = 0;  // bytes of the window that arrays lie in

const char* verb(Packed kind) { return kind & kAtomic ? "atomic on" : kind & kWrite ? "write to" : "read of"; }
std::string size_text(size_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte of " : " bytes of "); }

void race(const Request& r, Packed earlier) {
  Pause pause;
  const Earlier other{earlier & kAtomic  ? "atomic"
                      : earlier & kWrite ? "write"
                                         : "read",
                      place_of(earlier), thread_of(earlier), block_at(time_of(earlier))};
  report(std::string("race: ") + verb(r.kind) + " " + r.space.name, r.pc, &other);
}

}  // namespace

void forget_accesses() {
  std::memset(static_cast<void*>(shared_granules), 0, sizeof shared_granules);
  if (device_space.base) madvise(device_space.granules, device_space.bytes / 4 * sizeof(Granule), MADV_DONTNEED);
}

void bad_state(const Request& r, State state, unsigned mask) {
  Pause pause;
  const std::string bytes = size_text(r.bytes) + r.space.name;
  if (mask & ~(state >> kValid)) {
    report(std::string("out of bounds: ") + verb(r.kind) + " " + bytes, r.pc);
  } else if (mask & (state >> kComing)) {
    report(std::string("unfinished copy: ") + verb(r.kind) + " " + bytes + " that cp.async is still filling", r.pc);
  } else {
    report("uninitialised: read of " + bytes, r.pc);
  }
}

void remember_conflict(const Request& r, Granule& granule, const Thread& t, Packed fresh) {
  unsigned slot = t.linear % kRemembered;
  for (unsigned i = 0; i < kRemembered; ++i) {
    const Packed a = granule.past[i];
    const bool both_atomic = a & fresh & kAtomic, overlap = a & fresh & kMaskBits, write = (a | fresh) & kWrite;
    if (time_of(a) <= *r.space.forgotten || before(time_of(a), (a ^ fresh) & kThreadBits)) {
      slot = i;
    } else if (overlap && write && !both_atomic && !known_otherwise(time_of(a), thread_of(a), t)) {
      race(r, a);
      slot = i;
    }
  }
  granule.past[slot] = fresh;
}

void misaligned(const Request& r) {
  Pause pause;
  report("misaligned: " + std::string(verb(r.kind)) + " " + size_text(r.bytes) + r.space.name, r.pc);
}

void check_foreign(const void* address, size_t bytes, bool write, const void* pc) {
  const char* p = static_cast<const char*>(address);
  if (static_cast<size_t>(p - call_begin) < call_size) return;
  if (!write && p >= &__executable_start && p < &end) return;  // constants
  Pause pause;
  Dl_info info;
  if (!write && dladdr(p, &info)) return;
  report(std::string("wild address: ") + (write ? "write to " : "read of ") + size_text(bytes) +
             "memory that is not the device's",
         pc);
}

// On a GPU, launchers that do this crash. Other host code may: it comes here by way of templates that were compiled
// together with kernels.
void check_host(const void* p, const void* pc) {
  if (!device_space.has(p) || Pause::active()) return;
  Pause pause;
  report_host("device memory touched by host code", pc);
}

void check_range(const Request& r, const void* p, Thread& t, bool reads) {
  const uint16_t place = place_index(r.pc);
  for_granules(r.space, p, r.bytes,
               [&](size_t g, unsigned mask) { check_granule(r, g, t, mask, pack(t, mask, r.kind, place), reads); });
}

void check_bytes(const void* p, size_t bytes, Packed kind, bool reads, const void* pc) {
  Thread* t = current;
  if (!t) return check_host(p, pc);
  if (!bytes || static_cast<size_t>(static_cast<const char*>(p) - t->stack) < kStackBytes) return;
  const Space& space = shared_space.has(p) ? shared_space : device_space;
  if (!space.has(p)) return check_foreign(p, bytes, kind, pc);
  if (profiling) {
    log_request(*t, pc, static_cast<size_t>(static_cast<const char*>(p) - space.base), bytes, &space == &shared_space,
                kind);
  }
  check_range({space, bytes, kind, pc}, p, *t, reads);
}

// ---- what the emulator reports

void read(const void* p, size_t bytes, const void* pc) { check_bytes(p, bytes, 0, true, pc); }
void write(void* p, size_t bytes, const void* pc) { check_bytes(p, bytes, kWrite, false, pc); }
void atomic(void* p, size_t bytes, bool reads, const void* pc) {
  if (!current) return;
  check_bytes(p, bytes, kWrite | kAtomic, reads, pc);
  current->acquired = ++clock.now;
}

void async_begin(void* dst, size_t bytes, const void* src, size_t src_bytes, const void* pc) {
  read(src, src_bytes, pc);
  write(dst, bytes, pc);
  set_state(shared_space, dst, bytes, kComing);
}
// The copy may have happened as late as this.
void async_end(void* dst, size_t bytes, const void* src, size_t src_bytes, const void* pc) {
  clear_state(shared_space, dst, bytes, kComing);
  check_range({shared_space, bytes, kWrite, pc}, dst, *current, false);
  if (src_bytes && device_space.has(src)) check_range({device_space, src_bytes, 0, pc}, src, *current, true);
}

// ---- what runs

void launch_begin(const void* kernel, const void* call, size_t call_bytes) {
  Pause pause;
  call_begin = static_cast<const char*>(call);
  call_size = call_bytes;
  begin_launch();
  profile_launch(kernel);
}

std::string launch_end() {
  Pause pause;
  call_size = 0;
  return take_reports();
}

void block_begin(const BlockView& view, unsigned threads) {
  Pause pause;
  const dim3 grid = view.grid;
  begin_block(threads, view.index.x + uint64_t{grid.x} * (view.index.y + uint64_t{grid.y} * view.index.z));
  describe_launch(view);
}

void block_end() {
  Pause pause;
  replay_requests();
}

void shared_window(const char* p, size_t bytes) {
  std::memset(shared_states, 0, shared_used / 4 * sizeof(State));
  shared_used = 0;
  shared_space = {const_cast<char*>(p), bytes, shared_granules, shared_states, &clock.floor, "shared memory"};
}
void shared_array(const char* p, size_t bytes) {
  set_state(shared_space, p, bytes, kValid);
  shared_used = (static_cast<size_t>(p - shared_space.base) + bytes + 3) / 4 * 4;
}

}  // namespace simt::check
