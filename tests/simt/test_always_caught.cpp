// Mistakes that every build catches: barriers, warp operations, copies and deadlock. Each is named with its line.
#include <cmath>

#include "support.h"

namespace simt::tests {
namespace {

using Catch::Matchers::Contains;

__global__ void barrier_in_branch(float* y) {
  if (threadIdx.x < 32) __syncthreads();  // bug: barrier_in_branch
  y[threadIdx.x] = 1;
}
__global__ void barrier_at_two_places(float* y) {
  if (threadIdx.x < 32) {
    __syncthreads();  // bug: barrier_at_two_places
    y[threadIdx.x] = 1;
  } else {
    y[threadIdx.x] = 2;
    __syncthreads();
  }
}
__global__ void early_return(float* y) {
  if (threadIdx.x >= 50) return;
  y[threadIdx.x] = 1;
  __syncthreads();  // bug: early_return
}
__global__ void shuffle_in_branch(float* y) {
  float v = static_cast<float>(threadIdx.x);
  if (threadIdx.x < 16) v += __shfl_xor_sync(~0u, v, 1);  // bug: shuffle_in_branch
  y[threadIdx.x] = v;
}
__global__ void shuffle_after_exit(float* y) {
  if (threadIdx.x >= 20) return;
  y[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);  // bug: shuffle_after_exit
}
__global__ void shuffle_without_caller(float* y) {
  y[threadIdx.x] = __shfl_sync(0xFFFF, 1.0f, 1);  // bug: shuffle_without_caller
}
__global__ void shuffle_against_vote(float* y) {
  float v = 1;
  if (threadIdx.x < 16)
    v = __shfl_xor_sync(~0u, v, 1);  // bug: shuffle_against_vote
  else
    v = static_cast<float>(__any_sync(~0u, v == 1));
  y[threadIdx.x] = v;
}
__global__ void masks_differ(float* y) {
  const unsigned mask = threadIdx.x < 16 ? ~0u : 0xFFFF0000u;
  y[threadIdx.x] = __shfl_xor_sync(mask, 1.0f, 1);  // bug: masks_differ
}
__global__ void polls_for_ever(float* y) {
  SIMT_SHARED(int, flag, );
  if (threadIdx.x == 0) atomicExch(&flag, 0);
  __syncthreads();
  if (threadIdx.x == 0) {
    while (atomicAdd(&flag, 0) == 0) spin();
  }
  named_barrier_sync(1, 32);  // bug: polls_for_ever
  y[threadIdx.x] = 1;
}
__global__ void waits_for_each_other(float* y) {
  if (threadIdx.x < 32) {
    named_barrier_sync(1, 64);  // bug: waits_for_each_other
    named_barrier_sync(2, 64);
  } else {
    named_barrier_sync(2, 64);
    named_barrier_sync(1, 64);
  }
  y[threadIdx.x] = 1;
}
__global__ void named_barrier_odd(float* y) {
  named_barrier_sync(1, 33);  // bug: named_barrier_odd
  y[threadIdx.x] = 1;
}
__global__ void copy_never_waited_for(float* y) {
  SIMT_SHARED(float, s, [64]);
  cp_async<4>(&s[threadIdx.x], &y[threadIdx.x]);
  cp_async_commit();
}
__global__ void copy_to_device_memory(float* y) {
  cp_async<4>(&y[threadIdx.x], &y[64]);  // bug: copy_to_device_memory
  cp_async_commit();
  cp_async_wait<0>();
}
__global__ void copy_misaligned_source(const float* x) {
  SIMT_SHARED(float4, s, [64]);
  cp_async<16>(&s[threadIdx.x], x + 1 + 4 * threadIdx.x);  // bug: copy_misaligned_source
  cp_async_commit();
  cp_async_wait<0>();
}
__global__ void copy_misaligned_destination(const float* x) {
  SIMT_SHARED(float, s, [300]);
  cp_async<8>(&s[1 + 2 * threadIdx.x], x + 2 * threadIdx.x);  // bug: copy_misaligned_destination
  cp_async_commit();
  cp_async_wait<0>();
}
__global__ void copy_too_much(const float* x) {
  SIMT_SHARED(float, s, [64]);
  cp_async<4>(&s[threadIdx.x], x, 8);  // bug: copy_too_much
  cp_async_commit();
  cp_async_wait<0>();
}
__global__ void misaligned_row(unsigned* y) {
  SIMT_SHARED(uint16_t, s, [16][12]);  // 24 bytes a row
  for (unsigned i = threadIdx.x; i < 16 * 12; i += 32) s[i / 12][i % 12] = 0;
  __syncthreads();
  unsigned r[2];
  ldmatrix(r, &s[threadIdx.x % 16][0]);  // bug: misaligned_row
  y[threadIdx.x] = r[0] + r[1];
}
__global__ void mma_in_half_a_warp(float* y) {
  float d[4] = {};
  const unsigned a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mma_bf16(d, a, b);  // bug: mma_in_half_a_warp
  y[threadIdx.x] = d[0];
}
__global__ void misaligned_vector(float* y) {
  y[threadIdx.x] = vector_at<float4>(y + 1).x;  // bug: misaligned_vector
}

std::string line_of(const std::string& name) { return tests::line_of("test_always_caught.cpp", name); }

template <typename K>
void expect(K kernel, unsigned threads, const char* name, const char* what) {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 4);
    DeviceArray<float> y(std::vector<float>(300, 0));
    const std::string error = error_of([&] { launch(kernel, 1, threads, 0, nullptr, y.data()); });
    INFO(name);
    CHECK_THAT(error, Contains(what));
    CHECK_THAT(error, Contains(line_of(name)));
    CHECK_THAT(error, Contains(std::string("simt: ") + name));
    CHECK_THAT(error, Contains("thread ("));
  }
}

TEST_CASE("barriers that not all threads reach") {
  expect(barrier_in_branch, 64, "barrier_in_branch", "barrier divergence");
  expect(barrier_at_two_places, 64, "barrier_at_two_places", "barrier divergence");
  expect(early_return, 64, "early_return", "barrier divergence");
  expect(named_barrier_odd, 64, "named_barrier_odd", "threads must be a multiple of 32 up to the block's 64, got 33");
}

TEST_CASE("warp operations that lanes are missing from") {
  expect(shuffle_in_branch, 32, "shuffle_in_branch", "__shfl_xor_sync");
  expect(shuffle_after_exit, 32, "shuffle_after_exit", "left the kernel");
  expect(shuffle_without_caller, 32, "shuffle_without_caller", "the mask must name the calling lane");
  expect(shuffle_against_vote, 32, "shuffle_against_vote", "warp divergence");
  expect(masks_differ, 32, "masks_differ", "mask");
  expect(mma_in_half_a_warp, 32, "mma_in_half_a_warp", "mma_bf16");
}

TEST_CASE("deadlocks say what everybody waits for") {
  expect(polls_for_ever, 32, "polls_for_ever",
         "deadlock: no thread of the block can go on; thread 0 polls; thread 1 waits in");
  expect(waits_for_each_other, 64, "waits_for_each_other", "deadlock");
}

TEST_CASE("asynchronous copies and matrix loads with wrong addresses or lengths") {
  expect(copy_to_device_memory, 64, "copy_to_device_memory", "is not in shared memory");
  expect(copy_misaligned_source, 32, "copy_misaligned_source", "misaligned: src must be a multiple of 16");
  expect(copy_misaligned_destination, 32, "copy_misaligned_destination", "misaligned: dst must be a multiple of 8");
  expect(copy_too_much, 32, "copy_too_much", "src_bytes must be from 0 to 4, got 8");
  expect(misaligned_vector, 32, "misaligned_vector", "must be a multiple of 16 bytes");
  DeviceArray<unsigned> y(32);
  const std::string error = error_of([&] { launch(misaligned_row, 1, 32, 0, nullptr, y.data()); });
  CHECK_THAT(error, Contains("misaligned: row must be a multiple of 16"));
  CHECK_THAT(error, Contains(line_of("misaligned_row")));
}

TEST_CASE("a copy that nobody waits for") {
  DeviceArray<float> y(std::vector<float>(64, 0));
  CHECK_THAT(error_of([&] { launch(copy_never_waited_for, 1, 64, 0, nullptr, y.data()); }),
             Contains("1 copies that it has not waited for"));
}

// Without the checker too, what a copy will bring is not there before the wait.
__global__ void copy_read_early(const float* x, float* y) {
  SIMT_SHARED(float, s, [32]);
  cp_async<4>(&s[threadIdx.x], &x[threadIdx.x]);
  cp_async_commit();
  y[threadIdx.x] = s[threadIdx.x];
  cp_async_wait<0>();
  y[threadIdx.x + 32] = s[threadIdx.x];
}

TEST_CASE("a copy that is read before it has been waited for is full of NaN") {
  DeviceArray<float> x(ramp(32)), y(64);
  const std::string error = error_of([&] { launch(copy_read_early, 1, 32, 0, nullptr, x.data(), y.data()); });
  CHECK(error.empty() != kChecking);
  for (size_t i = 0; i < 32; ++i) {
    CHECK(std::isnan(y.read()[i]));
    CHECK(y.read()[32 + i] == static_cast<float>(i));
  }
}

// Groups are waited for in order, all but the last N; what lies beyond src_bytes becomes zero.
__global__ void copy_in_groups(const float* x, float* y) {
  SIMT_SHARED(float4, s, [3][32]);
  const unsigned t = threadIdx.x;
  for (unsigned k = 0; k < 3; ++k) {
    cp_async<16>(&s[k][t], x + (k * 32 + t) * 4, k == 2 ? 6 : 16);
    cp_async_commit();
  }
  cp_async_wait<1>();
  for (unsigned k = 0; k < 2; ++k) y[k * 32 + t] = s[k][t].x + s[k][t].w;
  cp_async_wait<0>();
  const bool low_half = __float_as_uint(s[2][t].y) == (__float_as_uint(x[(64 + t) * 4 + 1]) & 0xFFFF);
  y[64 + t] = low_half && s[2][t].z == 0 && s[2][t].w == 0 ? s[2][t].x : -1;
}

TEST_CASE("copies in groups, and a copy that is cut short") {
  DeviceArray<float> x(ramp(384)), y(96);
  launch(copy_in_groups, 1, 32, 0, nullptr, x.data(), y.data());
  for (size_t i = 0; i < 64; ++i) CHECK(y.read()[i] == static_cast<float>(8 * i + 3));
  for (size_t i = 64; i < 96; ++i) CHECK(y.read()[i] == static_cast<float>(4 * i));
}

__global__ void shuffle_halves(float* y) {  // disjoint masks do not disturb each other
  float v = static_cast<float>(threadIdx.x);
  if (threadIdx.x < 16)
    v += __shfl_xor_sync(0x0000FFFFu, v, 1);
  else
    v += __shfl_xor_sync(0xFFFF0000u, v, 2);
  y[threadIdx.x] = v;
}

TEST_CASE("halves of a warp may shuffle on their own") {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 8);
    DeviceArray<float> y(32);
    launch(shuffle_halves, 1, 32, 0, nullptr, y.data());
    for (int i = 0; i < 32; ++i) CHECK(y.read()[static_cast<size_t>(i)] == i + (i ^ (i < 16 ? 1 : 2)));
  }
}

}  // namespace
}  // namespace simt::tests
