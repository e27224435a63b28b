// How the emulator runs kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt {

enum class Order : uint8_t { forward, reverse, shuffled };

struct Options {
  unsigned workers;              // OS threads of a launch: $IMAGO_SIMT_WORKERS, or else one per processor
  Order order = Order::forward;  // which ready thread goes first: $IMAGO_SIMT_ORDER, reverse or shuffled:SEED
  uint64_t seed = 1;             // for Order::shuffled
  bool strict_barriers = true;   // one call site per barrier, and no thread has left before it
  size_t max_static_shared = 48 * 1024, max_shared = 227 * 1024;  // bytes a block: sm_90, where sm_80 has 163 KiB
  // More than 48 KiB, static and dynamic together, are for kernels that ask; launch() asks when the dynamic part is
  // more than this (device/portable.cuh).
  size_t max_unasked_shared = 48 * 1024, asked_above = 32 * 1024;
};

// Read from the environment at the first call; may be changed between launches.
Options& options();

inline constexpr unsigned kMaxWorkers = 16;

}  // namespace simt
