// The memory checker, as the emulator sees it: what memcheck, racecheck and initcheck of CUDA's tools do on a device.
//
// Kernels are compiled with -fsanitize=thread, so that the compiler calls a function at every access to memory; the
// files in this folder, compiled without, are these functions. ThreadSanitizer's own runtime is not linked. In builds
// without IMAGO_SIMT_CHECK all of this is empty.
//
// For every 4 bytes of shared and of device memory the checker knows whether they are allocated, initialised, or on
// their way by cp.async, and the last accesses with their threads and times. Two accesses race when one of them is a
// write, not both are atomic, and no chain of barriers, __syncwarp, or fence and atomic leads from one to the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/simt/thread.h"

namespace simt::check {

#ifdef IMAGO_SIMT_CHECK

inline constexpr bool kChecking = true;

// Device memory.
void* allocate(size_t bytes);
void release(void* p);
void written_by_host(const void* p, size_t bytes);

// What runs: a launch, whose kernel reads its arguments at `call`; a block of it; and the thread that the scheduler has
// switched to, or the host.
void launch_begin(const void* kernel, const void* call, size_t call_bytes);
std::string launch_end();  // what was found, a line each
void block_begin(const BlockView& view, unsigned threads);
void block_end();
void shared_window(const char* p, size_t bytes);  // nothing of it is allocated
void shared_array(const char* p, size_t bytes);   // now this is
void run_thread(unsigned linear, const char* stack);
void run_host();

// What orders memory accesses.
void barrier_arrive(unsigned thread, unsigned id);
void barrier_release(unsigned id, const uint32_t* waiting);  // masks of lanes, one for each warp
void warp_sync(unsigned first, uint32_t mask);
void fence();

// Accesses by the emulator in the name of the running thread; `pc` is the call's return address in the kernel.
void read(const void* p, size_t bytes, const void* pc);
void write(void* p, size_t bytes, const void* pc);
void atomic(void* p, size_t bytes, bool reads, const void* pc);  // reads: the new value depends on the old one
void async_begin(void* dst, size_t bytes, const void* src, size_t src_bytes, const void* pc);
void async_end(void* dst, size_t bytes, const void* src, size_t src_bytes, const void* pc);

#else

inline constexpr bool kChecking = false;

inline void* allocate(size_t) { return nullptr; }
inline void release(void*) {}
inline void written_by_host(const void*, size_t) {}
inline void launch_begin(const void*, const void*, size_t) {}
inline std::string launch_end() { return {}; }
inline void block_begin(const BlockView&, unsigned) {}
inline void block_end() {}
inline void shared_window(const char*, size_t) {}
inline void shared_array(const char*, size_t) {}
inline void run_thread(unsigned, const char*) {}
inline void run_host() {}
inline void barrier_arrive(unsigned, unsigned) {}
inline void barrier_release(unsigned, const uint32_t*) {}
inline void warp_sync(unsigned, uint32_t) {}
inline void fence() {}
inline void read(const void*, size_t, const void*) {}
inline void write(void*, size_t, const void*) {}
inline void atomic(void*, size_t, bool, const void*) {}
inline void async_begin(void*, size_t, const void*, size_t, const void*) {}
inline void async_end(void*, size_t, const void*, size_t, const void*) {}

#endif

}  // namespace simt::check
