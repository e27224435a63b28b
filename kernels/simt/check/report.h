// What the checker has found, in sentences.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/simt/thread.h"

namespace simt::check {

// Places in the program, numbered so that 16 bits are enough; 0 is "unknown".
uint16_t new_place(const void* pc);
const void* place_address(uint16_t place);
struct KnownPlace {
  const void* pc;
  uint16_t index;
};
inline constexpr unsigned kPlaceCache = 4096;
extern KnownPlace place_cache[kPlaceCache];
inline uint16_t place_index(const void* pc) {
  const KnownPlace& k = place_cache[reinterpret_cast<uintptr_t>(pc) % kPlaceCache];
  return k.pc == pc ? k.index : new_place(pc);
}

struct Earlier {  // the other access of a race
  const char* what;
  uint16_t place;
  unsigned thread;
  uint64_t block;
};

void describe_launch(const BlockView& view);  // turns numbers of threads and blocks into coordinates
// Adds a sentence, once for each place.
void report(const std::string& what, const void* pc, const Earlier* earlier = nullptr);
// The same, but only if the place is in a source file and not in some header's template.
void report_host(const std::string& what, const void* pc);
std::string take_reports();

// "block_sum at reduce.cuh:20, called from softmax_kernel<float> at softmax.cu:31", for the call that returns to pc.
std::string place_text(const void* pc, const void* const* calls, unsigned depth);

}  // namespace simt::check
