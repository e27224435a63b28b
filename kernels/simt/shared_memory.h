// Declarations of shared memory, and access by whole vectors. Each array has a redzone behind it and starts out as 0xFF
// bytes, NaN in every floating-point type. A plain `__shared__` does not compile: for the host it would be one array
// per thread.
#pragma once

#include <type_traits>

#include "kernels/simt/thread.h"

namespace simt::detail {

// The block's array that belongs to `key`, a static variable at its declaration. The first thread to ask makes it.
void* static_shared(const void* key, const char* name, size_t bytes, size_t alignment);
void* dynamic_shared();
void misaligned(const void* p, size_t bytes, Site site);

}  // namespace simt::detail

namespace simt {

// The V at p, which must be aligned for it.
template <typename V, typename T>
__forceinline__ V& vector_at(T* p, SIMT_HERE) {
  if (reinterpret_cast<uintptr_t>(p) % sizeof(V) != 0) [[unlikely]] {
    detail::misaligned(p, sizeof(V), {"vector_at", file, line});
  }
  return *reinterpret_cast<V*>(p);
}

}  // namespace simt

#define SIMT_SHARED(T, name, dims)                                        \
  static char name##_key_;                                                \
  [[maybe_unused]] auto& name = *static_cast<std::add_pointer_t<T dims>>( \
      ::simt::detail::static_shared(&name##_key_, #name, sizeof(T dims), alignof(T)))
#define SIMT_DYNAMIC_SHARED(T, name) [[maybe_unused]] T* name = static_cast<T*>(::simt::detail::dynamic_shared())
