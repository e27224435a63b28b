// Barriers of a block, whole and named, and fences.
#include "kernels/simt/barrier.h"

#include <atomic>
#include <cstring>

#include "kernels/simt/scheduler.h"

namespace simt::detail {
namespace {

bool same(const Site& a, const Site& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

// __syncthreads is for all threads of the block, at one place.
void check_whole(Block& b, Barrier& barrier, const Site& site) {
  if (!options().strict_barriers) return;
  if (b.live != b.count) {
    fail(b, "barrier divergence: %u thread(s) of the block left the kernel before %s", b.count - b.live,
         describe(site).text);
  }
  if (!barrier.arrived) {
    barrier.first = site;
  } else if (!same(barrier.first, site)) {
    fail(b, "barrier divergence: %s while others wait in %s", describe(site).text, describe(barrier.first).text);
  }
}

void check_named(Block& b, unsigned id, unsigned expected, const Site& site) {
  if (id == 0 || id >= kNamedBarriers) fail(b, "%s: id must be from 1 to 15, got %u", describe(site).text, id);
  if (expected == 0 || expected % kWarpSize != 0 || expected > b.count) {
    fail(b, "%s: threads must be a multiple of 32 up to the block's %u, got %u", describe(site).text, b.count,
         expected);
  }
}

}  // namespace

void release(Block& b, unsigned id) {
  Barrier& barrier = b.barriers[id];
  check::barrier_release(id, barrier.waiting);
  b.idle_spins = 0;
  for (unsigned w = 0; w < b.warp_count; ++w) {
    set_ready(b, b.warps[w], barrier.waiting[w]);
    barrier.waiting[w] = 0;
  }
  barrier.result = barrier.votes;
  barrier.votes = barrier.arrived = 0;
}

unsigned barrier_sync(unsigned id, unsigned expected, bool vote, Site site) {
  Lane& me = self();
  Block& b = *me.block;
  const bool whole = id == 0 && expected == 0;
  if (!whole) check_named(b, id, expected, site);
  Barrier& barrier = b.barriers[id];
  if (whole) check_whole(b, barrier, site);
  check::barrier_arrive(me.linear, id);
  me.site = site;
  barrier.votes += vote;
  barrier.waiting[me.warp->number] |= 1u << me.lane;
  if (++barrier.arrived == (whole ? b.live : expected))
    release(b, id);
  else
    wait(me);
  me.site = {};
  return barrier.result;
}

void barrier_arrive(unsigned id, unsigned expected, Site site) {
  Lane& me = self();
  Block& b = *me.block;
  check_named(b, id, expected, site);
  check::barrier_arrive(me.linear, id);
  if (++b.barriers[id].arrived == expected) release(b, id);
}

void leave_barriers(Lane& me) {
  Block& b = *me.block;
  Barrier& barrier = b.barriers[0];
  if (!barrier.arrived) return;
  if (options().strict_barriers) {
    fail(b, "barrier divergence: this thread left the kernel while others wait in %s", describe(barrier.first).text);
  }
  if (barrier.arrived == b.live) release(b, 0);
}

void fence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  check::fence();
}

}  // namespace simt::detail
