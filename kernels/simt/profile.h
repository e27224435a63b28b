// How kernels use memory, counted for each line in builds with the checker: bank conflicts of shared memory and sectors
// of device memory. $IMAGO_SIMT_PROFILE=1 counts from the start and prints the table when the program ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace simt {

struct Counters {
  uint64_t requests = 0;                          // by warps
  uint64_t wavefronts = 0, ideal_wavefronts = 0;  // of shared memory
  uint64_t sectors = 0, bytes = 0;                // of device memory: 32-byte sectors touched, distinct bytes wanted

  double conflict() const { return static_cast<double>(wavefronts) / static_cast<double>(ideal_wavefronts); }
  double sectors_per_request() const { return static_cast<double>(sectors) / static_cast<double>(requests); }
  double sector_use() const { return static_cast<double>(bytes) / static_cast<double>(32 * sectors); }
  Counters& operator+=(const Counters& o) {
    requests += o.requests;
    wavefronts += o.wavefronts;
    ideal_wavefronts += o.ideal_wavefronts;
    sectors += o.sectors;
    bytes += o.bytes;
    return *this;
  }
};

struct ProfileLine {
  std::string kernel, place;  // "softmax_kernel<float>", "block_sum at reduce.cuh:20, called from ..."
  bool shared, write;
  Counters counters;
};

void set_profiling(bool on);
void clear_profile();
std::vector<ProfileLine> profile();
std::string profile_table();

}  // namespace simt
