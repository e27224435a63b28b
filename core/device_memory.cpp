#include "core/device_memory.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/allocator.h"
#include "core/check.h"

namespace imago {
namespace {

constexpr DeviceMemory kHostMemory{
    .allocate = [](size_t bytes) { return std::aligned_alloc(kAlignment, bytes); },
    .release = [](void* memory) noexcept { std::free(memory); },
    .copy = [](void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); },
    .open_to_host = [](const void*, size_t) {},
    .on_host = true,
    .cached = true,
};

constinit std::array<const DeviceMemory*, 3> registered{&kHostMemory, nullptr, nullptr};
constinit std::atomic<Device> chosen{Device::cpu};

}  // namespace

void register_device(Device device, const DeviceMemory& memory) { registered[static_cast<size_t>(device)] = &memory; }
bool has_device(Device device) { return registered[static_cast<size_t>(device)] != nullptr; }
const DeviceMemory& device_memory(Device device) {
  const DeviceMemory* memory = registered[static_cast<size_t>(device)];
  IMAGO_CHECK(memory, "this build of imago has no device ", device);
  return *memory;
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
