// Mistakes for AddressSanitizer and UndefinedBehaviorSanitizer to find. CTest runs each in a process of its own, which
// has to die of it.
#include "support.h"

namespace simt::tests {
namespace {

__global__ void store_too_far(float* x) { x[threadIdx.x] = 1.0f; }
__global__ void copy(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
__global__ void shared_too_far(float* y) {
  SIMT_SHARED(float, s, [64]);
  float* p = s;  // behind it UndefinedBehaviorSanitizer sees no array any more
  p[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = s[0];
}
__global__ void dynamic_too_far(float* y) {
  SIMT_DYNAMIC_SHARED(float, s);
  s[threadIdx.x] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = s[0];
}
__global__ void misaligned_vector(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x + 1);
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

TEST_CASE("store_too_far", "[.]") {
  DeviceArray<float> x(63);
  launch(store_too_far, 1, 64, 0, nullptr, x.data());
}
TEST_CASE("load_after_release", "[.]") {
  DeviceArray<float> y(64);
  const float* released;
  { released = DeviceArray<float>(ramp(64)).data(); }
  launch(copy, 1, 64, 0, nullptr, released, y.data());
}
TEST_CASE("shared_too_far", "[.]") {
  DeviceArray<float> y(64);
  launch(shared_too_far, 1, 64, 0, nullptr, y.data());
}
TEST_CASE("dynamic_too_far", "[.]") {
  DeviceArray<float> y(64);
  launch(dynamic_too_far, 1, 64, 63 * 4, nullptr, y.data());
}
TEST_CASE("misaligned_vector", "[.]") {
  DeviceArray<float> x(ramp(64)), y(64);
  launch(misaligned_vector, 1, 64, 0, nullptr, x.data(), y.data());
}

}  // namespace
}  // namespace simt::tests
