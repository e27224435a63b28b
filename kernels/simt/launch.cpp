// Deals the blocks of a grid out to worker threads.
#include "kernels/simt/launch.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/parallel.h"
#include "kernels/simt/locate.h"
#include "kernels/simt/scheduler.h"

namespace simt::detail {
namespace {

class BlockPool {
 public:
  Block* take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return new Block;
    Block* b = free_.back();
    free_.pop_back();
    return b;
  }
  void give(Block* b) {
    std::lock_guard lock(mutex_);
    free_.push_back(b);
  }

 private:
  std::mutex mutex_;
  std::vector<Block*> free_;
};

BlockPool& pool() {
  static BlockPool* p = new BlockPool;  // outlives all launches
  return *p;
}

void prepare_block(Block& b, const Launch& launch) {
  b.view.grid = launch.grid;
  b.view.size = launch.block;
  b.count = launch.block.x * launch.block.y * launch.block.z;
  b.warp_count = (b.count + kWarpSize - 1) / kWarpSize;
  b.dynamic_bytes = launch.shared_bytes;
  b.launch = &launch;
  b.order = options().order;
  b.random = options().seed * 0x9E3779B97F4A7C15ull | 1;
  for (unsigned i = 0; i < kMaxThreads && (i < b.count || (b.failed && b.lanes[i].stack)); ++i) {
    Lane& lane = b.lanes[i];
    lane.view = &b.view;
    lane.block = &b;
    lane.warp = &b.warps[i / kWarpSize];
    lane.linear = i;
    lane.lane = i % kWarpSize;
    lane.index = {i % launch.block.x, i / launch.block.x % launch.block.y, i / (launch.block.x * launch.block.y)};
    if (!lane.stack || b.failed) prepare_fiber(lane);
  }
  b.failed = false;
}

void run_block(Block& b, uint64_t number) {
  const dim3 grid = b.view.grid;
  const uint64_t row = number / grid.x;
  b.view.index = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(row % grid.y),
                  static_cast<unsigned>(row / grid.y)};
  b.live = b.count;
  b.ready_warps = b.idle_spins = 0;
  b.main_stack = nullptr;
  check::block_begin(b.view, b.count);
  for (unsigned i = 0; i < b.warp_count; ++i) {
    Warp& w = b.warps[i];
    const unsigned n = std::min(kWarpSize, b.count - i * kWarpSize);
    w.exists = w.live = w.ready = n == 32 ? ~0u : (1u << n) - 1;
    w.arrived = 0;
    w.number = i;
    b.ready_warps |= 1u << i;
  }
  for (Barrier& barrier : b.barriers) barrier = {};
  for (unsigned i = 0; i < b.count; ++i) {
    b.lanes[i].site = {};
    b.lanes[i].fake_stack = nullptr;
    b.lanes[i].async.head = b.lanes[i].async.count = b.lanes[i].async.group = 0;
  }
  reset_shared(b);
  run_lanes(b);
  asan::unpoison(b.shared, kSharedWindow);
  if (!b.failed) check::block_end();
}

void check_launch(const Launch& l) {
  const auto name = [&l] { return "simt: " + function_name(l.kernel); };
  const uint64_t threads = uint64_t{l.block.x} * l.block.y * l.block.z;
  IMAGO_CHECK(threads >= 1 && threads <= kMaxThreads && l.block.z <= 64, name(), ": a block must have 1 to ",
              kMaxThreads, " threads, got (", l.block.x, ", ", l.block.y, ", ", l.block.z, ")");
  IMAGO_CHECK(l.grid.x >= 1 && l.grid.y >= 1 && l.grid.z >= 1 && l.grid.x <= 0x7FFFFFFF && l.grid.y <= 65535 &&
                  l.grid.z <= 65535,
              name(), ": a grid must have 1 to 2147483647 x 65535 x 65535 blocks, got (", l.grid.x, ", ", l.grid.y,
              ", ", l.grid.z, ")");
  IMAGO_CHECK(l.shared_bytes <= options().max_shared, name(), ": dynamic shared memory must be at most ",
              options().max_shared, " bytes, got ", l.shared_bytes);
}

std::string run_blocks(const Launch& launch) {
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::string error;
  imago::parallel_for(static_cast<int64_t>(std::min<uint64_t>(options().workers, blocks)), [&](int64_t) {
    Block* b = pool().take();
    prepare_block(*b, launch);
    for (uint64_t i; !stop && (i = next++) < blocks;) {
      run_block(*b, i);
      if (b->failed) {
        std::lock_guard lock(mutex);
        if (error.empty()) error = b->error;
        stop = true;
      }
    }
    pool().give(b);
  });
  return error;
}

void run_grid(const Launch& launch) {
  static std::mutex one_at_a_time;  // the checker has one shadow
  std::unique_lock lock(one_at_a_time, std::defer_lock);
  if (check::kChecking) lock.lock();
  check::launch_begin(launch.kernel, launch.call.get(), launch.call_bytes);
  std::string error = run_blocks(launch);
  const std::string found = check::launch_end();
  if (!found.empty()) error = found + (error.empty() ? "" : "\n" + error);
  if (error.empty()) return;
  const std::string_view path = launch.file;
  imago::fail("simt: ", function_name(launch.kernel), ", launched at ", path.substr(path.rfind('/') + 1), ":",
              launch.line, ": ", error);
}

}  // namespace

void submit(Stream stream, Launch launch) {
  IMAGO_CHECK(!in_kernel(), "simt: a kernel must not launch kernels");
  check_launch(launch);
  if (is_capturing(stream))
    enqueue(stream, [launch = std::move(launch)] { run_grid(launch); });
  else
    run_grid(launch);
}

}  // namespace simt::detail
