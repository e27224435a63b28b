// Which thread of a block runs next, and what happens when none can.
#include "kernels/simt/scheduler.h"

#include <sys/mman.h>

#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/check.h"

namespace simt {

constinit thread_local const ThreadView* running = nullptr;

#ifdef IMAGO_SIMT_CHECK
const ThreadView& this_thread() { return *running; }
uint3 thread_index() { return running->index; }
uint3 block_index() { return running->view->index; }
dim3 block_size() { return running->view->size; }
dim3 grid_size() { return running->view->grid; }
unsigned lane_id() { return running->lane; }
#endif

namespace detail {

// Never inlined: a fiber may be resumed by another OS thread for a later block, and the compiler must not carry the
// address of a thread_local variable across that.
[[gnu::noinline]] Lane& self() { return const_cast<Lane&>(static_cast<const Lane&>(*running)); }
[[gnu::noinline]] bool in_kernel() { return running != nullptr; }

namespace {

[[gnu::noinline]] void set_running(Lane* lane) {
  running = lane;
  if (lane)
    check::run_thread(lane->linear, lane->stack);
  else
    check::run_host();
}

// First thing on a stack that has just been switched to.
void switched(Block& b, void* fake_stack) {
  const void* stack = nullptr;
  size_t bytes = 0;
  asan::finish_switch(fake_stack, &stack, &bytes);
  if (!b.main_stack) {  // the first switch of a block comes from the OS thread's stack
    b.main_stack = stack;
    b.main_stack_bytes = bytes;
  }
}

// `to` is null for the OS thread. `leaving`: the frames on the old stack are finished with.
void switch_to(Block& b, Lane* from, Lane* to, bool leaving = false) {
  set_running(to);
  void** fake = from ? &from->fake_stack : &b.main_fake_stack;
  asan::start_switch(leaving ? nullptr : fake, to ? to->stack : b.main_stack, to ? kStackBytes : b.main_stack_bytes);
  imago_simt_switch(from ? &from->context : &b.main_context, to ? to->context : b.main_context);
  switched(b, leaving ? nullptr : *fake);
}

// The set bit of `mask` that comes next after bit `after` in the scheduling order; 32 if there is none and the search
// may not wrap around.
unsigned pick(Block& b, uint32_t mask, unsigned after, bool wrap = true) {
  if (!mask) return 32;
  if (b.order == Order::shuffled) {
    b.random ^= b.random << 13, b.random ^= b.random >> 7, b.random ^= b.random << 17;
    unsigned skip = static_cast<unsigned>(b.random >> 32) % static_cast<unsigned>(std::popcount(mask));
    while (skip--) mask &= mask - 1;
    return static_cast<unsigned>(std::countr_zero(mask));
  }
  const bool up = b.order == Order::forward;
  uint32_t later = up ? (after < 31 ? mask & (~0u << (after + 1)) : 0) : mask & ((1u << after) - 1);
  if (!later && !wrap) return 32;
  if (!later) later = mask;
  return static_cast<unsigned>(up ? std::countr_zero(later) : 31 - std::countl_zero(later));
}

unsigned before_first(const Block& b) { return b.order == Order::reverse ? 0 : 31; }

Lane& first_of(Block& b, unsigned warp) {
  return b.lanes[warp * kWarpSize + pick(b, b.warps[warp].ready, before_first(b))];
}

void clear_ready(Block& b, Warp& w, uint32_t lanes) {
  w.ready &= ~lanes;
  if (!w.ready) b.ready_warps &= ~(1u << w.number);
}

// No thread can go on: says what each waits for.
[[noreturn]] void deadlock(Block& b) {
  char text[700] = "";
  size_t used = 0;
  Site last{};
  for (unsigned i = 0; i < b.count && used < sizeof text - 260; ++i) {
    const Lane& lane = b.lanes[i];
    const bool repeated = used && lane.site.line == last.line && lane.site.what == last.what;
    if (!(lane.warp->live >> lane.lane & 1) || repeated) continue;
    last = lane.site;
    used += static_cast<size_t>(std::snprintf(text + used, sizeof text - used, "; thread %u %s%s", i,
                                              lane.site.what ? "waits in " : "polls",
                                              lane.site.what ? describe(lane.site).text : ""));
  }
  fail(b, "deadlock: no thread of the block can go on%s", text);
}

// The ready thread to run next; null when the block is done. Stays in the warp as long as it can, unless the caller
// polls: then everybody gets a turn.
Lane* next_lane(Block& b, Lane& me, bool polling = false) {
  const Warp& w = *me.warp;
  const unsigned lane = w.ready ? pick(b, w.ready, me.lane, !polling) : 32;
  if (lane < 32 && !(polling && b.order == Order::shuffled)) return &b.lanes[w.number * kWarpSize + lane];
  if (!b.ready_warps) {
    if (b.live == 0) return nullptr;
    deadlock(b);
  }
  return &first_of(b, pick(b, b.ready_warps, w.number));
}

// This thread has left the kernel.
void leave(Lane& me) {
  Block& b = *me.block;
  Warp& w = *me.warp;
  if (me.async.count) {
    fail(b, "cp.async: the thread left the kernel with %u copies that it has not waited for", me.async.count);
  }
  const uint32_t bit = 1u << me.lane;
  w.live &= ~bit;
  --b.live;
  clear_ready(b, w, bit);
  b.idle_spins = 0;
  for (uint32_t m = w.arrived; m; m &= m - 1) {
    const Lane& other = b.lanes[w.number * kWarpSize + static_cast<unsigned>(std::countr_zero(m))];
    if (other.mask & bit) {
      fail(b, "warp divergence: this thread left the kernel while lane %u waits for it in %s", other.lane,
           describe(other.site).text);
    }
  }
  leave_barriers(me);
}

// Body of every fiber: one kernel call per block, for ever.
void fiber_body() {
  switched(*self().block, nullptr);
  for (;;) {
    Lane& me = self();
    Block& b = *me.block;
    b.launch->run(b.launch->call.get());
    leave(me);
    switch_to(b, &me, next_lane(b, me), true);  // resumed for a later block, perhaps by another OS thread
  }
}

}  // namespace

SiteText describe(const Site& site) {
  SiteText t;
  const char* slash = std::strrchr(site.file, '/');
  std::snprintf(t.text, sizeof t.text, "%s at %s:%d", site.what, slash ? slash + 1 : site.file, site.line);
  return t;
}

void fail(Block& b, const char* format, ...) {
  Lane& me = self();
  va_list list;
  va_start(list, format);
  std::vsnprintf(b.error, sizeof b.error, format, list);
  va_end(list);
  const size_t used = std::strlen(b.error);
  std::snprintf(b.error + used, sizeof b.error - used, " [thread (%u,%u,%u) of block (%u,%u,%u)]", me.index.x,
                me.index.y, me.index.z, b.view.index.x, b.view.index.y, b.view.index.z);
  b.failed = true;
  switch_to(b, &me, nullptr, true);
  std::abort();
}

void set_ready(Block& b, Warp& w, uint32_t lanes) {
  w.ready |= lanes;
  if (lanes) b.ready_warps |= 1u << w.number;
}

void wait(Lane& me) {
  Block& b = *me.block;
  clear_ready(b, *me.warp, 1u << me.lane);
  switch_to(b, &me, next_lane(b, me));
}

void spin() {
  Lane& me = self();
  Block& b = *me.block;
  if (++b.idle_spins > 100000) deadlock(b);
  Lane* next = next_lane(b, me, true);
  if (next != &me) switch_to(b, &me, next);
}

void run_lanes(Block& b) { switch_to(b, nullptr, &first_of(b, pick(b, b.ready_warps, before_first(b)))); }

// Gives the lane a stack at which fiber_body starts: once, and again after an error that left the fiber in the middle
// of a kernel.
void prepare_fiber(Lane& lane) {
  constexpr size_t guard = 4096;
  if (!lane.stack) {
    void* p =
        mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // Running over the end of a thread's stack is to be a fault, not corruption.
    IMAGO_CHECK(p != MAP_FAILED && mprotect(p, guard, PROT_NONE) == 0, "simt: no memory for the threads' stacks");
    lane.stack = static_cast<char*>(p) + guard;
  }
  asan::unpoison(lane.stack, kStackBytes);
  // Tops are staggered: equally aligned stacks would fight for the same cache sets.
  const size_t stagger = lane.linear % 61 * 256;
  lane.context = make_fiber(lane.stack + kStackBytes - stagger, kStackBytes - stagger, fiber_body);
}

}  // namespace detail
}  // namespace simt
