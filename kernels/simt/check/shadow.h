// What the checker remembers of memory: for every 4 bytes ("a granule") the last accesses, and for each byte its state.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/simt/check/clock.h"
#include "kernels/simt/check/profile.h"
#include "kernels/simt/check/report.h"
#include "kernels/simt/fiber.h"

namespace simt::check {

// One access to a granule: time 32 bits, thread 10, mask of bytes 4, write 1, atomic 1, place 16.
using Packed = uint64_t;
inline constexpr Packed kWrite = Packed{1} << 46, kAtomic = Packed{1} << 47, kThreadBits = Packed{1023} << 32,
                        kMaskBits = Packed{15} << 42;
inline Packed pack(const Thread& t, unsigned mask, Packed kind, uint16_t place) {
  return t.time | Packed{t.linear} << 32 | Packed{mask} << 42 | kind | Packed{place} << 48;
}
inline uint32_t time_of(Packed a) { return static_cast<uint32_t>(a); }
inline unsigned thread_of(Packed a) { return a >> 32 & 1023; }
inline unsigned mask_of(Packed a) { return a >> 42 & 15; }
inline uint16_t place_of(Packed a) { return static_cast<uint16_t>(a >> 48); }

inline constexpr unsigned kRemembered = 4;
struct alignas(32) Granule {
  Packed past[kRemembered];
};

// The state of a granule: four masks of bytes.
using State = uint16_t;
inline constexpr unsigned kValid = 0, kWritten = 4, kComing = 8;  // shifts: allocated, initialised, cp.async under way

struct Space {  // memory with a shadow
  char* base = nullptr;
  size_t bytes = 0;
  Granule* granules = nullptr;
  State* states = nullptr;
  const uint32_t* forgotten = nullptr;  // accesses up to this time cannot race with anything any more
  const char* name = nullptr;

  bool has(const void* p) const { return static_cast<size_t>(static_cast<const char*>(p) - base) < bytes; }
};
extern Space shared_space, device_space;

// f(index of the granule, mask of its bytes) for [p, p + bytes)
template <typename F>
void for_granules(const Space& space, const void* p, size_t bytes, F f) {
  size_t at = static_cast<size_t>(static_cast<const char*>(p) - space.base);
  for (const size_t end = at + bytes; at < end;) {
    const size_t first = at % 4, count = end - at < 4 - first ? end - at : 4 - first;
    f(at / 4, ((1u << count) - 1) << first);
    at += count;
  }
}
inline void set_state(const Space& space, const void* p, size_t bytes, unsigned shift) {
  for_granules(space, p, bytes, [&](size_t g, unsigned mask) { space.states[g] |= static_cast<State>(mask << shift); });
}
inline void clear_state(const Space& space, const void* p, size_t bytes, unsigned shift) {
  for_granules(space, p, bytes,
               [&](size_t g, unsigned mask) { space.states[g] &= static_cast<State>(~(mask << shift)); });
}

// What one access is checked for. kind: 0, kWrite, or kWrite | kAtomic.
struct Request {
  const Space& space;
  size_t bytes;
  Packed kind;
  const void* pc;
};
void bad_state(const Request& r, State state, unsigned mask);  // reports; out of line

// Where accesses conflict that a barrier of the block does not order: looks closer, reports, and remembers.
void remember_conflict(const Request& r, Granule& granule, const Thread& t, Packed fresh);

// Compares an access with what its granule remembers, and remembers it. Without branches up to the last step, since
// what the four records hold is as good as random.
[[gnu::always_inline]] inline void remember(const Request& r, Granule& granule, const Thread& t, Packed fresh) {
  const uint32_t forgotten = *r.space.forgotten;
  unsigned conflicts = 0, old = 0, superseded = 0;
#pragma GCC unroll 4
  for (unsigned i = 0; i < kRemembered; ++i) {
    const Packed a = granule.past[i];
    const bool is_old = time_of(a) <= forgotten;
    const bool known = before(time_of(a), (a ^ fresh) & kThreadBits);
    const bool conflict = bool((a | fresh) & kWrite) & bool(a & fresh & kMaskBits);
    // Whatever will race with a known access will race with one that covers it too, so it may be forgotten.
    const bool covered = !(a & ~fresh & (kMaskBits | kWrite)) & !(fresh & ~a & kAtomic);
    conflicts |= static_cast<unsigned>(!is_old & !known & conflict);
    old |= static_cast<unsigned>(is_old) << i;
    superseded |= static_cast<unsigned>(known & covered) << i;
  }
  if (conflicts) [[unlikely]]
    return remember_conflict(r, granule, t, fresh);
  const unsigned slots = superseded ? superseded : old;
  granule.past[slots ? static_cast<unsigned>(std::countr_zero(slots)) : t.linear % kRemembered] = fresh;
}

[[gnu::always_inline]] inline void check_granule(const Request& r, size_t g, const Thread& t, unsigned mask,
                                                 Packed fresh, bool reads) {
  State& state = r.space.states[g];
  const unsigned needed = mask << kValid | (reads ? mask << kWritten : 0);
  if ((state & (needed | mask << kComing)) != needed) [[unlikely]] {
    bad_state(r, state, mask);
    if ((state & mask) != mask) return;  // out of bounds
  }
  if (r.kind) state |= static_cast<State>(mask << kWritten);
  remember(r, r.space.granules[g], t, fresh);
}

void forget_accesses();  // of both spaces; states stay

// Memory that has no shadow.
void check_foreign(const void* p, size_t bytes, bool write, const void* pc);
void check_host(const void* p, const void* pc);
void misaligned(const Request& r);
// Any size and alignment.
void check_range(const Request& r, const void* p, Thread& t, bool reads);
void check_bytes(const void* p, size_t bytes, Packed kind, bool reads, const void* pc);

// What the compiler calls at an access of 1, 2, 4, 8 or 16 bytes.
template <unsigned size, Packed kind>
[[gnu::always_inline]] inline void check_access(const void* p, const void* pc) {
  Thread* t = current;
  if (!t) return check_host(p, pc);
  if (static_cast<size_t>(static_cast<const char*>(p) - t->stack) < kStackBytes) return;  // a thread's own variables
  const Space* space = shared_space.has(p) ? &shared_space : &device_space;
  if (!space->has(p)) [[unlikely]]
    return check_foreign(p, size, kind, pc);
  const Request r{*space, size, kind, pc};
  const size_t at = static_cast<size_t>(static_cast<const char*>(p) - space->base);
  if (at % size) [[unlikely]] {
    misaligned(r);
    return check_range(r, p, *t, !kind);
  }
  if (profiling) [[unlikely]]
    log_request(*t, pc, at, size, space == &shared_space, kind);
  const unsigned mask = size >= 4 ? 15 : ((1u << size) - 1) << at % 4;
  const Packed fresh = pack(*t, mask, kind, place_index(pc));
  for (size_t g = at / 4; g < at / 4 + (size + 3) / 4; ++g) check_granule(r, g, *t, mask, fresh, !kind);
}

}  // namespace simt::check
