// The functions that code compiled with -fsanitize=thread calls. All names and signatures are the compiler's.
#include <cstdint>
#include <cstring>

#include "kernels/simt/check/shadow.h"

using simt::check::check_access;
using simt::check::check_bytes;
using simt::check::kWrite;

#define SIMT_PC __builtin_return_address(0)

extern "C" {

void __tsan_init() {}

void __tsan_func_entry(const void* pc) {
  simt::check::Thread* t = simt::check::current;
  if (!t) return;
  if (t->depth < simt::check::kCallDepth) t->calls[t->depth] = pc;
  ++t->depth;
}
void __tsan_func_exit() {
  simt::check::Thread* t = simt::check::current;
  if (t && t->depth) --t->depth;
}

// GCC takes "unaligned" for what may be unaligned; it is as wrong on a device.
#define SIMT_ACCESS(n)                                                                    \
  void __tsan_read##n(void* p) { check_access<n, 0>(p, SIMT_PC); }                        \
  void __tsan_write##n(void* p) { check_access<n, kWrite>(p, SIMT_PC); }                  \
  void __tsan_unaligned_read##n(void* p) { check_access<n, 0>(p, SIMT_PC); }              \
  void __tsan_unaligned_write##n(void* p) { check_access<n, kWrite>(p, SIMT_PC); }        \
  void __tsan_volatile_read##n(void* p) { check_access<n, 0>(p, SIMT_PC); }               \
  void __tsan_volatile_write##n(void* p) { check_access<n, kWrite>(p, SIMT_PC); }         \
  void __tsan_unaligned_volatile_read##n(void* p) { check_access<n, 0>(p, SIMT_PC); }     \
  void __tsan_unaligned_volatile_write##n(void* p) { check_access<n, kWrite>(p, SIMT_PC); } \
  void __tsan_read_write##n(void* p) {                                                    \
    check_access<n, 0>(p, SIMT_PC);                                                       \
    check_access<n, kWrite>(p, SIMT_PC);                                                  \
  }                                                                                       \
  void __tsan_unaligned_read_write##n(void* p) {                                          \
    check_access<n, 0>(p, SIMT_PC);                                                       \
    check_access<n, kWrite>(p, SIMT_PC);                                                  \
  }
SIMT_ACCESS(1)
SIMT_ACCESS(2)
SIMT_ACCESS(4)
SIMT_ACCESS(8)
SIMT_ACCESS(16)
#undef SIMT_ACCESS

void __tsan_read_range(void* p, size_t n) { check_bytes(p, n, 0, true, SIMT_PC); }
void __tsan_write_range(void* p, size_t n) { check_bytes(p, n, kWrite, false, SIMT_PC); }
void* __tsan_memcpy(void* d, const void* s, size_t n) {
  check_bytes(s, n, 0, true, SIMT_PC);
  check_bytes(d, n, kWrite, false, SIMT_PC);
  return std::memcpy(d, s, n);
}
void* __tsan_memmove(void* d, const void* s, size_t n) {
  check_bytes(s, n, 0, true, SIMT_PC);
  check_bytes(d, n, kWrite, false, SIMT_PC);
  return std::memmove(d, s, n);
}
void* __tsan_memset(void* d, int c, size_t n) {
  check_bytes(d, n, kWrite, false, SIMT_PC);
  return std::memset(d, c, n);
}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// Atomics of host code (shared_ptr, std::atomic): just do them.
#define SIMT_FETCH(bits, T, op)                                        \
  T __tsan_atomic##bits##_fetch_##op(volatile T* p, T v, int) {        \
    return __atomic_fetch_##op(p, v, __ATOMIC_SEQ_CST);                \
  }
#define SIMT_ATOMIC(bits, T)                                                                              \
  T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                       \
  SIMT_FETCH(bits, T, add)                                                                                \
  SIMT_FETCH(bits, T, sub)                                                                                \
  SIMT_FETCH(bits, T, and)                                                                                \
  SIMT_FETCH(bits, T, or)                                                                                 \
  SIMT_FETCH(bits, T, xor)                                                                                \
  SIMT_FETCH(bits, T, nand)                                                                               \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) {                 \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                       \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T v, int, int) {                   \
    return __atomic_compare_exchange_n(p, e, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
  }                                                                                                       \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T e, T v, int, int) {                       \
    __atomic_compare_exchange_n(p, &e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                     \
    return e;                                                                                             \
  }
SIMT_ATOMIC(8, uint8_t)
SIMT_ATOMIC(16, uint16_t)
SIMT_ATOMIC(32, uint32_t)
SIMT_ATOMIC(64, uint64_t)
#undef SIMT_ATOMIC
#undef SIMT_FETCH
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
