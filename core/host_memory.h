// The CPU's entry in the list of devices.
#pragma once

#include "core/device_memory.h"

namespace imago {

extern const DeviceMemory kHostMemory;

}  // namespace imago
