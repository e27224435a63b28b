#include "core/device_memory.h"

#include <array>
#include <atomic>

#include "core/allocator.h"
#include "core/check.h"
#include "core/host_memory.h"
#include "core/host_queue.h"
#include "core/recording.h"

namespace imago {
namespace {

struct Entry {
  const DeviceMemory* memory;
  const DeviceQueues* queues;
};
constinit std::array<Entry, 3> registered{{{&kHostMemory, &kHostQueues}, {}, {}}};
constinit std::atomic<Device> chosen{Device::cpu};

const Entry& entry_of(Device device) {
  const Entry& entry = registered[static_cast<size_t>(device)];
  IMAGO_CHECK(entry.memory, "this build of imago has no device ", device);
  return entry;
}

}  // namespace

void register_device(Device device, const DeviceMemory& memory, const DeviceQueues& queues) {
  registered[static_cast<size_t>(device)] = {&memory, &queues};
}
bool has_device(Device device) { return registered[static_cast<size_t>(device)].memory != nullptr; }
const DeviceMemory& device_memory(Device device) { return *entry_of(device).memory; }
const DeviceQueues& device_queues(Device device) { return *entry_of(device).queues; }

void synchronize(Device device) {
  check_host_access("synchronize", device);
  device_queues(device).synchronize(current_stream(device).handle);
}

Device device_named(std::string_view name) {
  for (const Device device : {Device::cpu, Device::cuda, Device::simt})
    if (name == name_of(device)) return device;
  IMAGO_CHECK(name == "auto", "device: must be auto, cpu, cuda or simt, got '", name, "'");
  if (!has_device(Device::cuda)) return Device::cpu;
  try {
    release(allocate(1, Device::cuda), 1, Device::cuda);
    return Device::cuda;
  } catch (const Error&) {  // no driver, no GPU: it says so when cuda is asked for by name
    return Device::cpu;
  }
}

Device default_device() { return chosen.load(std::memory_order_relaxed); }
void set_default_device(Device device) {
  device_memory(device);  // throws when there is none
  chosen.store(device, std::memory_order_relaxed);
}

}  // namespace imago
