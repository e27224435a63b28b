// The emulated device's memory.
#pragma once

#include <cstddef>

namespace simt {

// Uninitialised: filled with 0xFF bytes, NaN in every floating-point type, and the checker reports reads of it. Aligned
// to 256 bytes. One byte too far is out of bounds for AddressSanitizer and for the checker. Null when there is no more.
void* memory_allocate(size_t bytes);
void memory_release(void* p);

// For whoever fills device memory other than by a kernel: these bytes are now initialised.
void memory_written_by_host(const void* p, size_t bytes);

// Host code reaches device memory by these; the checker reports it where it does so by itself.
void memory_upload(void* device, const void* host, size_t bytes);
void memory_download(void* host, const void* device, size_t bytes);

}  // namespace simt
