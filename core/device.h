// Where a tensor lives, and the queue that its work goes to.
#pragma once

#include <cstdint>
#include <ostream>
#include <string_view>

namespace imago {

enum class Device : uint8_t { cpu, cuda, simt };

constexpr const char* name_of(Device device) {
  switch (device) {
    case Device::cpu: return "cpu";
    case Device::cuda: return "cuda";
    case Device::simt: return "simt";
  }
  return "?";
}

inline std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

// "cpu", "cuda", "simt", or "auto": cuda if this build and this machine have it, else cpu. Throws on other names.
Device device_named(std::string_view name);

// Where a tensor is made unless it is said: Device::cpu until somebody chooses another, for the whole program.
Device default_device();
void set_default_device(Device device);

// A queue of work on a device, by its own handle. On the CPU and on the emulator, work is done by the time that
// the call which queues it returns.
struct Stream {
  void* handle = nullptr;
};

// Where this thread's work on the device goes: to the one queue that all threads share, or that of a StreamScope
// (core/stream.h).
Stream current_stream(Device device);

}  // namespace imago
