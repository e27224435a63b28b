// A graph is work that was given to a device once, and is done as often as asked: a whole training step by one call. On
// a GPU that saves what launching hundreds of kernels one by one costs; nothing in it allocates, or waits for the host.
#pragma once

#include <functional>
#include <memory>

#include "core/device_queues.h"
#include "core/memory_plan.h"

namespace imago {

class MemorySource;

// What launches work with is what capture() saw: the addresses, shapes and numbers of that moment. What is to change
// between launches, the inputs say, is changed in place. Memory from outside must outlive the graph.
class Graph {
 public:
  // Calls work() once. What it gives to the device is kept, not done, and a look of the host at the device's memory
  // throws; everything else, counting steps say, is done as ever. Results are there after launch().
  // Memory that work() asks for is the graph's own: a tensor that leaves work() is written by each launch, and stays
  // valid for as long as the tensor or the graph lives.
  static Graph capture(Device device, const std::function<void()>& work);
  // The same with the memory laid out beforehand, in one block. Throws if work() allocates or releases in another way
  // than the step that was traced for the plan.
  static Graph capture(Device device, const MemoryPlan& plan, const std::function<void()>& work);

  Graph() = default;  // empty: launch() throws
  ~Graph();
  Graph(Graph&& other) noexcept { swap(other); }
  Graph& operator=(Graph&& other) noexcept {
    Graph(std::move(other)).swap(*this);
    return *this;
  }

  // Queues all of it on the device's current stream.
  void launch();
  int64_t launches() const { return launches_; }
  size_t size() const { return work_.size; }  // kernels, fills and copies
  bool captured() const { return work_.graph != nullptr; }

 private:
  static Graph capture(Device device, std::shared_ptr<MemorySource> memory, const std::function<void()>& work);
  void swap(Graph& other) noexcept;

  Device device_ = Device::cpu;
  CapturedWork work_;
  std::shared_ptr<MemorySource> memory_;
  int64_t launches_ = 0;
};

}  // namespace imago
