// Counts what warps ask of shared and of device memory, for each line of each kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simt/check/clock.h"

namespace simt::check {

extern bool profiling;

void profile_launch(const void* kernel);
void log_request(const Thread& t, const void* pc, size_t offset, size_t bytes, bool shared, bool write);

// The n-th access of each lane by one instruction, since the last replay, belongs to one request of its warp. Called at
// barriers and at the end of a block.
void replay_requests();

}  // namespace simt::check
