// Which of two events in a kernel is known to have come first.
//
// One counter numbers all events that order something. A thread's time is its latest event, and its accesses carry that
// time. Blocks run one after another, so a time also tells the block. A thread knows
//   of its own block: everything up to the latest barrier of all threads, and of each thread what has come to it by
//     __syncwarp and named barriers;
//   of any block: what was done before a fence there, if the fence came before the thread's latest atomic operation.
#pragma once

#include <cstdint>

#include "kernels/simt/thread.h"

namespace simt::check {

inline constexpr unsigned kCallDepth = 32;

struct Thread {  // of the running block
  const char* stack = nullptr;
  uint32_t time = 0;
  uint32_t linear = 0;
  uint32_t acquired = 0;  // when it last could see other threads' fences
  uint32_t depth = 0;     // calls that it is in, see instrumentation.cpp
  const void* calls[kCallDepth];
};

extern constinit thread_local Thread* current;  // null for the host, and while the checker itself is at work
Thread& thread_at(unsigned linear);

struct Clock {
  uint32_t now = 1;
  uint32_t launch = 0;  // the running launch began at this time,
  uint32_t block = 0;   //   its running block at this,
  uint32_t floor = 0;   //   and this is that block's latest barrier
};
extern Clock clock;

// Whether what a thread did at `time`, in this launch, is known to another by the block's barriers, or because it is
// the same thread (other == 0); and whether it is known to `to` in any other way.
inline bool before(uint32_t time, uint64_t other) {
  return (time > clock.block) & ((time <= clock.floor) | (other == 0));
}
bool known_otherwise(uint32_t time, unsigned thread, const Thread& to);

unsigned running_threads();
uint64_t block_at(uint32_t time);  // the number of the block that ran then

void begin_launch();
void begin_block(unsigned threads, uint64_t number);

// Sets `current` aside: what the checker calls in the standard library may have been compiled with instrumentation.
class Pause {
 public:
  Pause() {
    if (!depth++) thread = current;
    current = nullptr;
  }
  ~Pause() {
    if (!--depth) current = thread;
  }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

  static bool active() { return depth != 0; }
  static Thread* running() { return depth ? thread : current; }  // in spite of the pause

 private:
  static constinit thread_local int depth;
  static constinit thread_local Thread* thread;
};

}  // namespace simt::check
