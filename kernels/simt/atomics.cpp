// Read-modify-writes on device and shared memory, real ones: blocks run on several threads.
#include "kernels/simt/atomics.h"

#include <atomic>

#include "kernels/simt/check/check.h"

namespace simt::detail {
namespace {

template <typename T, typename F>
[[gnu::always_inline]] inline T update(T* p, F f, bool reads = true) {
  check::atomic(p, sizeof(T), reads, __builtin_return_address(0));
  std::atomic_ref<T> a(*p);
  T old = a.load(std::memory_order_relaxed);
  while (!a.compare_exchange_weak(old, f(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace

template <typename T>
T atomic_add(T* p, T value) {
  return update(p, [=](T old) {
    if constexpr (std::is_integral_v<T>) {  // wraps around
      using Unsigned = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<Unsigned>(old) + static_cast<Unsigned>(value));
    } else {
      return old + value;
    }
  });
}
template <typename T>
T atomic_exchange(T* p, T value) {
  return update(
      p, [=](T) { return value; }, false);
}
template <typename T>
T atomic_compare_exchange(T* p, T expected, T value) {
  return update(p, [=](T old) { return old == expected ? value : old; });
}
template <typename T>
T atomic_min(T* p, T value) {
  return update(p, [=](T old) { return value < old ? value : old; });
}
template <typename T>
T atomic_max(T* p, T value) {
  return update(p, [=](T old) { return value > old ? value : old; });
}
template <typename T>
T atomic_and(T* p, T value) {
  return update(p, [=](T old) { return old & value; });
}
template <typename T>
T atomic_or(T* p, T value) {
  return update(p, [=](T old) { return old | value; });
}
template <typename T>
T atomic_xor(T* p, T value) {
  return update(p, [=](T old) { return old ^ value; });
}

#define SIMT_INSTANTIATE(T)             \
  template T atomic_add<T>(T*, T);      \
  template T atomic_exchange<T>(T*, T); \
  template T atomic_compare_exchange<T>(T*, T, T);
SIMT_INSTANTIATE(int)
SIMT_INSTANTIATE(unsigned)
SIMT_INSTANTIATE(unsigned long long)
template float atomic_add<float>(float*, float);
template double atomic_add<double>(double*, double);
template float atomic_exchange<float>(float*, float);
#undef SIMT_INSTANTIATE
#define SIMT_INSTANTIATE(T)        \
  template T atomic_min<T>(T*, T); \
  template T atomic_max<T>(T*, T); \
  template T atomic_and<T>(T*, T); \
  template T atomic_or<T>(T*, T);  \
  template T atomic_xor<T>(T*, T);
SIMT_INSTANTIATE(int)
SIMT_INSTANTIATE(unsigned)
SIMT_INSTANTIATE(unsigned long long)
#undef SIMT_INSTANTIATE

}  // namespace simt::detail
