#include "core/graph.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/device_memory.h"
#include "core/op_label.h"
#include "core/recording.h"

namespace imago {
namespace {

// Memory without a plan: blocks that are given back inside the graph serve it again, and stay its own. Work of a graph
// is done in order, so the next owner writes after the last one has read.
class PooledMemory : public MemorySource {
 public:
  explicit PooledMemory(Device device) : device_(device) {}
  ~PooledMemory() override {
    for (const auto& [memory, size] : blocks_) imago::release(memory, size, device_);
  }

  void* allocate(size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (const auto found = free_.lower_bound(bytes); found != free_.end() && found->first <= bytes + bytes / 4 + 256) {
      void* memory = found->second;
      free_.erase(found);
      return memory;
    }
    const MemorySourceScope cache(device_, nullptr);
    const OpLabel label("graph");
    void* memory = imago::allocate(bytes, device_);
    blocks_.emplace(memory, bytes);
    return memory;
  }

  void release(void* memory, size_t) noexcept override {
    const std::lock_guard lock(mutex_);
    free_.emplace(blocks_.at(memory), memory);
  }

 private:
  const Device device_;
  std::mutex mutex_;
  std::map<void*, size_t> blocks_;     // all of them
  std::multimap<size_t, void*> free_;  // by size
};

// Memory with a plan.
class PlannedMemory : public MemorySource {
 public:
  explicit PlannedMemory(const MemoryPlan& plan) : plan_(plan) {
    const OpLabel label("graph");
    memory_ = static_cast<char*>(imago::allocate(plan.bytes, plan.device));
  }
  ~PlannedMemory() override { imago::release(memory_, plan_.bytes, plan_.device); }

  void* allocate(size_t bytes) override {
    const std::lock_guard lock(mutex_);
    IMAGO_CHECK(next_ < plan_.slots.size(), "Graph::capture: the traced step made ", plan_.slots.size(),
                " allocations, now there is one more, of ", bytes, " bytes");
    const auto [planned, offset, op] = plan_.slots[next_];
    IMAGO_CHECK(bytes == planned, "Graph::capture: allocation ", next_, " of the traced step, by ", op ? op : "other",
                ", had ", planned, " bytes, now it has ", bytes);
    // The last block that begins before the end of this one must not reach into it.
    const auto after = alive_.lower_bound(offset + bytes);
    IMAGO_CHECK(after == alive_.begin() || std::prev(after)->second <= offset, "Graph::capture: allocation ", next_,
                ", by ", op ? op : "other", ", takes the place of one that the traced step had released by then");
    alive_.emplace(offset, offset + bytes);
    ++next_;
    return memory_ + offset;
  }

  void release(void* memory, size_t) noexcept override {
    const std::lock_guard lock(mutex_);
    alive_.erase(static_cast<size_t>(static_cast<char*>(memory) - memory_));
  }

 private:
  const MemoryPlan plan_;
  char* memory_ = nullptr;
  std::mutex mutex_;
  size_t next_ = 0;
  std::map<size_t, size_t> alive_;  // offset -> end
};

}  // namespace

Graph Graph::capture(Device device, const std::function<void()>& work) {
  return capture(device, std::make_shared<PooledMemory>(device), work);
}

Graph Graph::capture(Device device, const MemoryPlan& plan, const std::function<void()>& work) {
  IMAGO_CHECK(plan.device == device, "Graph::capture: the plan must be for ", device, ", got one for ", plan.device);
  return capture(device, std::make_shared<PlannedMemory>(plan), work);
}

Graph Graph::capture(Device device, std::shared_ptr<MemorySource> memory, const std::function<void()>& work) {
  Graph graph;
  graph.device_ = device;
  graph.memory_ = memory;
  Capture capture(device, Recording::graph, std::move(memory));
  work();
  graph.work_ = capture.finish();
  return graph;
}

Graph::~Graph() {
  if (work_.graph) device_queues(device_).destroy_graph(work_.graph);
}

void Graph::swap(Graph& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(work_, other.work_);
  std::swap(memory_, other.memory_);
  std::swap(launches_, other.launches_);
}

void Graph::launch() {
  IMAGO_CHECK(work_.graph, "Graph::launch: nothing was captured");
  IMAGO_CHECK(recording(device_) == Recording::none, "Graph::launch: a graph cannot be part of another one");
  device_queues(device_).launch(work_.graph, current_stream(device_).handle);
  ++launches_;
}

}  // namespace imago
