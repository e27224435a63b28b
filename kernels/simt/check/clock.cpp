// The order of events in a kernel; see clock.h.
#include "kernels/simt/check/clock.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "kernels/simt/check/check.h"
#include "kernels/simt/check/profile.h"
#include "kernels/simt/check/shadow.h"

namespace simt::check {

constinit thread_local Thread* current = nullptr;
constinit thread_local int Pause::depth = 0;
constinit thread_local Thread* Pause::thread = nullptr;
Clock clock;

namespace {

// Up to what time each thread of the block is known to somebody. Warps whose bit is not set are unknown.
struct Knowledge {
  uint32_t warps = 0;
  uint32_t time[kMaxThreads];

  uint32_t of(unsigned thread) const { return warps >> thread / kWarpSize & 1 ? time[thread] : 0; }
  void learn(unsigned thread, uint32_t t) {
    const unsigned warp = thread / kWarpSize;
    if (!(warps >> warp & 1)) std::fill_n(time + warp * kWarpSize, kWarpSize, 0u);
    warps |= 1u << warp;
    time[thread] = t;
  }
  void merge(const Knowledge& other) {
    for (uint32_t m = other.warps; m; m &= m - 1) {
      const unsigned warp = static_cast<unsigned>(std::countr_zero(m)), first = warp * kWarpSize;
      if (warps >> warp & 1) {
        for (unsigned i = first; i < first + kWarpSize; ++i) time[i] = std::max(time[i], other.time[i]);
      } else {
        std::copy_n(other.time + first, kWarpSize, time + first);
      }
    }
    warps |= other.warps;
  }
};

struct NamedBarrier {
  Knowledge brought;  // by those who have arrived
  uint32_t acquired = 0;
};

struct BlockStart {
  uint32_t time;
  uint64_t number;
};

Thread threads[kMaxThreads];
Knowledge knowledge[kMaxThreads];
NamedBarrier named_barriers[16];
unsigned thread_total = 0;
std::vector<BlockStart> starts;  // of this launch
std::vector<uint32_t> fences;    // their times

void tick(Thread& t) { t.time = ++clock.now; }

std::vector<BlockStart>::const_iterator start_at(uint32_t time) {
  return std::upper_bound(starts.begin(), starts.end(), time,
                          [](uint32_t t, const BlockStart& s) { return t <= s.time; }) -
         1;
}

// All threads: whatever any of them did is known to all.
void synchronize_block() {
  clock.floor = clock.now++;
  uint32_t acquired = 0;
  for (unsigned i = 0; i < thread_total; ++i) acquired = std::max(acquired, threads[i].acquired);
  for (unsigned i = 0; i < thread_total; ++i) {
    threads[i].time = clock.now;
    threads[i].acquired = acquired;
    knowledge[i].warps = 0;
  }
}

}  // namespace

Thread& thread_at(unsigned linear) { return threads[linear]; }
unsigned running_threads() { return thread_total; }

bool known_otherwise(uint32_t time, unsigned thread, const Thread& to) {
  if (time > clock.block && knowledge[to.linear].of(thread) >= time) return true;
  const auto fence = std::upper_bound(fences.begin(), fences.end(), time);
  if (fence == fences.end() || *fence > to.acquired) return false;
  const auto next_block = start_at(time) + 1;
  return next_block == starts.end() || *fence <= next_block->time;
}

uint64_t block_at(uint32_t time) { return start_at(time)->number; }

void begin_launch() {
  if (clock.now > 3'000'000'000u) {  // times have 32 bits; between launches nothing has to be remembered
    forget_accesses();
    clock = {};
  }
  clock.launch = clock.block = clock.floor = clock.now++;
  fences.clear();
  starts.clear();
}

void begin_block(unsigned count, uint64_t number) {
  clock.block = clock.floor = clock.now++;
  starts.push_back({clock.block, number});
  thread_total = count;
  for (unsigned i = 0; i < count; ++i) {
    threads[i].time = clock.now;
    threads[i].linear = i;
    threads[i].acquired = threads[i].depth = 0;
    knowledge[i].warps = 0;
  }
  for (NamedBarrier& b : named_barriers) b.brought.warps = b.acquired = 0;
}

void run_thread(unsigned linear, const char* stack) {
  threads[linear].stack = stack;
  current = &threads[linear];
}
void run_host() { current = nullptr; }

void barrier_arrive(unsigned thread, unsigned id) {
  if (id == 0) return;
  Thread& t = threads[thread];
  NamedBarrier& b = named_barriers[id];
  knowledge[thread].learn(thread, t.time);
  b.brought.merge(knowledge[thread]);
  b.acquired = std::max(b.acquired, t.acquired);
  tick(t);
}

void barrier_release(unsigned id, const uint32_t* waiting) {
  Pause pause;
  if (id == 0) {
    synchronize_block();
    replay_requests();
    return;
  }
  NamedBarrier& b = named_barriers[id];
  for (unsigned warp = 0; warp * kWarpSize < thread_total; ++warp) {
    for (uint32_t m = waiting[warp]; m; m &= m - 1) {
      const unsigned i = warp * kWarpSize + static_cast<unsigned>(std::countr_zero(m));
      knowledge[i].merge(b.brought);
      threads[i].acquired = std::max(threads[i].acquired, b.acquired);
      tick(threads[i]);
    }
  }
  b.brought.warps = b.acquired = 0;
}

void warp_sync(unsigned first, uint32_t mask) {
  static Knowledge all;
  all.warps = 0;
  uint32_t acquired = 0;
  for (uint32_t m = mask; m; m &= m - 1) {
    const unsigned i = first + static_cast<unsigned>(std::countr_zero(m));
    knowledge[i].learn(i, threads[i].time);
    all.merge(knowledge[i]);
    acquired = std::max(acquired, threads[i].acquired);
  }
  ++clock.now;
  for (uint32_t m = mask; m; m &= m - 1) {
    const unsigned i = first + static_cast<unsigned>(std::countr_zero(m));
    knowledge[i].merge(all);
    threads[i].acquired = acquired;
    threads[i].time = clock.now;
  }
}

void fence() {
  if (!current) return;
  Thread& t = *current;
  Pause pause;
  fences.push_back(++clock.now);
  tick(t);
}

}  // namespace simt::check
