// What the lanes of a warp do together.
#include "kernels/simt/warp.h"

#include <algorithm>
#include <bit>

#include "kernels/simt/barrier.h"
#include "kernels/simt/scheduler.h"

namespace simt::detail {
namespace {

struct Exchange {
  uint64_t value;   // what the lane publishes
  uint64_t choice;  // the lane to read from, or the operation
  uint64_t result;
};

template <typename F>
void for_lanes(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1) f(static_cast<unsigned>(std::countr_zero(mask)));
}
Exchange& exchange(void** operands, unsigned lane) { return *static_cast<Exchange*>(operands[lane]); }

// To read from a lane outside the mask is undefined: that gives a NaN.
void do_shuffle(void** operands, uint32_t mask) {
  for_lanes(mask, [&](unsigned i) {
    Exchange& e = exchange(operands, i);
    e.result = e.choice < kWarpSize && operands[e.choice] ? exchange(operands, e.choice).value : ~uint64_t{0};
  });
}

void do_ballot(void** operands, uint32_t mask) {
  uint32_t votes = 0;
  for_lanes(mask, [&](unsigned i) { votes |= exchange(operands, i).value ? 1u << i : 0; });
  for_lanes(mask, [&](unsigned i) { exchange(operands, i).result = votes; });
}

void do_match(void** operands, uint32_t mask) {
  for_lanes(mask, [&](unsigned i) {
    uint32_t equal = 0;
    for_lanes(mask,
              [&](unsigned j) { equal |= exchange(operands, i).value == exchange(operands, j).value ? 1u << j : 0; });
    exchange(operands, i).result = equal;
  });
}

uint32_t combine(Reduce op, uint32_t a, uint32_t b) {
  const auto as_signed = [](uint32_t x) { return static_cast<int32_t>(x); };
  switch (op) {
    case Reduce::sum:
      return a + b;
    case Reduce::min_signed:
      return as_signed(b) < as_signed(a) ? b : a;
    case Reduce::max_signed:
      return as_signed(b) > as_signed(a) ? b : a;
    case Reduce::min_unsigned:
      return std::min(a, b);
    case Reduce::max_unsigned:
      return std::max(a, b);
    case Reduce::bit_and:
      return a & b;
    case Reduce::bit_or:
      return a | b;
    case Reduce::bit_xor:
      return a ^ b;
  }
  return a;
}

void do_reduce(void** operands, uint32_t mask) {
  const unsigned first = static_cast<unsigned>(std::countr_zero(mask));
  const Reduce op = static_cast<Reduce>(exchange(operands, first).choice);
  uint32_t total = static_cast<uint32_t>(exchange(operands, first).value);
  for_lanes(mask & (mask - 1),
            [&](unsigned i) { total = combine(op, total, static_cast<uint32_t>(exchange(operands, i).value)); });
  for_lanes(mask, [&](unsigned i) { exchange(operands, i).result = total; });
}

uint64_t meet(uint32_t mask, uint64_t value, uint64_t choice, WarpOperation operation, const Site& site) {
  Exchange e{value, choice, 0};
  warp_meet(mask, &e, operation, site);
  return e.result;
}

// __syncwarp orders memory; the other operations do not.
void do_nothing(void**, uint32_t) {}

}  // namespace

void warp_meet(uint32_t mask, void* operand, WarpOperation operation, Site site) {
  Lane& me = self();
  Block& b = *me.block;
  Warp& w = *me.warp;
  mask &= w.exists;  // a block's last warp may be short
  if (!(mask >> me.lane & 1)) fail(b, "%s: the mask must name the calling lane %u", describe(site).text, me.lane);
  if (mask & ~w.live) fail(b, "%s: the mask names a lane that has left the kernel", describe(site).text);
  me.mask = mask;
  me.operand = operand;
  me.operation = operation;
  me.site = site;
  w.arrived |= 1u << me.lane;
  if ((w.arrived & mask) == mask) {
    void* operands[kWarpSize] = {};
    for_lanes(mask, [&](unsigned i) {
      const Lane& other = b.lanes[w.number * kWarpSize + i];
      if (other.mask != mask || other.operation != operation) {
        fail(b, "warp divergence: %s while lane %u is in %s", describe(site).text, i, describe(other.site).text);
      }
      operands[i] = other.operand;
    });
    operation(operands, mask);
    if (operation == do_nothing) check::warp_sync(w.number * kWarpSize, mask);
    w.arrived &= ~mask;
    b.idle_spins = 0;
    set_ready(b, w, mask);
  } else {
    wait(me);
  }
  me.site = {};
}

void warp_barrier(uint32_t mask, Site site) { warp_meet(mask, nullptr, do_nothing, site); }
uint64_t shuffle(uint32_t mask, uint64_t value, unsigned source, Site site) {
  return meet(mask, value, source, do_shuffle, site);
}
uint32_t ballot(uint32_t mask, bool vote, Site site) {
  return static_cast<uint32_t>(meet(mask, vote, 0, do_ballot, site));
}
uint32_t match(uint32_t mask, uint64_t value, Site site) {
  return static_cast<uint32_t>(meet(mask, value, 0, do_match, site));
}
uint32_t reduce(uint32_t mask, uint32_t value, Reduce op, Site site) {
  return static_cast<uint32_t>(meet(mask, value, static_cast<uint64_t>(op), do_reduce, site));
}

}  // namespace simt::detail
