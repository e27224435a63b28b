#include "core/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace imago {
namespace {

constexpr size_t kSlotAlignment = 256;  // as cudaMalloc

size_t slot_bytes(size_t bytes) { return (bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment; }

using Block = MemoryTrace::Block;

bool meet(const Block& a, const Block& b) { return a.born < b.died && b.born < a.died; }

// Calls change(event, block, came or went) in the order of events.
template <typename Change>
void for_each_event(const std::vector<Block>& blocks, Change change) {
  struct Event { int64_t time; const Block* block; };
  std::vector<Event> events;
  for (const Block& block : blocks) {
    events.push_back({block.born, &block});
    if (block.died != MemoryTrace::kNever) events.push_back({block.died, &block});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
  for (const auto [time, block] : events) change(time, *block, time == block->born);
}

struct Peak {
  size_t bytes = 0;
  int64_t time = 0;  // the event that reaches it first
};

template <typename Size>
Peak peak_of(const std::vector<Block>& blocks, Size size) {
  Peak peak;
  size_t now = 0;
  for_each_event(blocks, [&](int64_t time, const Block& block, bool born) {
    now = born ? now + size(block) : now - size(block);
    if (now > peak.bytes) peak = {now, time};
  });
  return peak;
}

size_t counted(const MemoryTrace& trace, const Block& block) { return allocation_size(block.bytes, trace.device); }

// Places blocks one after the other in the given order: each goes into the smallest gap between the placed blocks that
// it meets, or behind them.
class Placement {
 public:
  explicit Placement(const std::vector<Block>& blocks) : blocks_(blocks), offsets_(blocks.size()) {}

  void place(size_t i) {
    const size_t bytes = slot_bytes(blocks_[i].bytes);
    size_t end = 0, best = 0, best_gap = std::numeric_limits<size_t>::max();
    for (const size_t other : placed_) {  // by offset
      if (!meet(blocks_[i], blocks_[other])) continue;
      if (offsets_[other] >= end + bytes && offsets_[other] - end < best_gap) {
        best = end;
        best_gap = offsets_[other] - end;
      }
      end = std::max(end, offsets_[other] + slot_bytes(blocks_[other].bytes));
    }
    offsets_[i] = best_gap == std::numeric_limits<size_t>::max() ? end : best;
    total_ = std::max(total_, offsets_[i] + bytes);
    const auto behind = [&](size_t offset, size_t other) { return offset < offsets_[other]; };
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), offsets_[i], behind), i);
  }

  const std::vector<size_t>& offsets() const { return offsets_; }
  size_t total() const { return total_; }

 private:
  const std::vector<Block>& blocks_;
  std::vector<size_t> offsets_, placed_;
  size_t total_ = 0;
};

template <typename Before>
Placement place_all(const std::vector<Block>& blocks, Before before) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return before(blocks[a], blocks[b]); });
  Placement placement(blocks);
  for (const size_t i : order) placement.place(i);
  return placement;
}

// A block that stays to the end counts as one that dies at the last event.
double lifetime(const Block& block, int64_t end) {
  return static_cast<double>(std::min(block.died, end) - block.born);
}

}  // namespace

size_t MemoryTrace::peak() const {
  return peak_of(blocks, [this](const Block& block) { return counted(*this, block); }).bytes;
}

std::vector<OpMemory> MemoryTrace::at_peak() const {
  const Peak peak = peak_of(blocks, [this](const Block& block) { return counted(*this, block); });
  std::vector<OpMemory> ops;
  for (const Block& block : blocks)
    if (block.born <= peak.time && peak.time < block.died) add_to(ops, block.op, counted(*this, block));
  sort_by_size(ops);
  return ops;
}

// Placing intervals in the least memory is NP-hard (Garey & Johnson 1979, "dynamic storage allocation"). The largest
// first, as Pisarchyk & Lee 2020 (arXiv:2001.03288) found best for networks, comes within a few percent of the bound on
// training steps; where the order by area (size times lifetime) does better, it is taken.
MemoryPlan plan_memory(const MemoryTrace& trace) {
  const std::vector<Block>& blocks = trace.blocks;
  MemoryPlan plan{.device = trace.device};
  plan.lower_bound = peak_of(blocks, [](const Block& block) { return slot_bytes(block.bytes); }).bytes;
  const int64_t end = 2 * static_cast<int64_t>(blocks.size());  // no event is later
  const auto area = [end](const Block& b) { return static_cast<double>(b.bytes) * lifetime(b, end); };
  const Placement by_size = place_all(blocks, [](const Block& a, const Block& b) { return a.bytes > b.bytes; });
  const Placement by_area = place_all(blocks, [&](const Block& a, const Block& b) { return area(a) > area(b); });
  const Placement& best = by_area.total() < by_size.total() ? by_area : by_size;
  plan.bytes = best.total();
  for (size_t i = 0; i < blocks.size(); ++i)
    plan.slots.push_back({.bytes = blocks[i].bytes, .offset = best.offsets()[i], .op = blocks[i].op});
  return plan;
}

}  // namespace imago
