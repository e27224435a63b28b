// Everything that a device must be able to do: a table of launchers, one line each in kernels/launchers.def.
#pragma once

#include "core/device.h"

namespace imago::kernels {

#define LAUNCHER(name, Params) struct Params;
#include "kernels/launchers.def"
#undef LAUNCHER

struct Backend {
  const char* name;
#define LAUNCHER(name, Params) void (*name)(const Params&, Stream);
#include "kernels/launchers.def"
#undef LAUNCHER
};

// The CPU's kernels are compiled once per instruction set; cpu_backend() is the best set that this machine runs, or the
// one that $IMAGO_CPU_ISA (baseline, avx2, avx512) names.
const Backend& cpu_backend();
// Other backends make themselves known before main, with their device's memory (core/device_memory.h). Whoever
// registers one later takes its device over, the CPU too: so launches are watched (bench/launch_observer.h).
void register_backend(Device device, const Backend& backend);
// Throws when this build has no such device. On the CPU, while work is recorded (core/graph.h) or its memory traced,
// this gives a table that keeps launches for later where need be.
const Backend& backend_for(Device device);

}  // namespace imago::kernels
