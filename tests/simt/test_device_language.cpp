// Built-in variables, shuffles, votes, atomics, barriers and shared memory.
#include "support.h"

namespace simt::tests {
namespace {

__global__ void write_indices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = static_cast<int>(block * 1000 + thread);
}

TEST_CASE("grids and blocks have three dimensions") {
  DeviceArray<int> out(3 * 2 * 2 * 60);
  launch(write_indices, dim3(3, 2, 2), dim3(5, 4, 3), 0, nullptr, out.data());
  const auto v = out.read();
  for (int i = 0; i < 720; ++i) CHECK(v[static_cast<size_t>(i)] == i / 60 * 1000 + i % 60);
}

__global__ void shuffles(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  int* o = out + t * 6;
  o[0] = __shfl_sync(~0u, t, 5);
  o[1] = __shfl_sync(~0u, t, 3, 8);
  o[2] = __shfl_up_sync(~0u, t, 2);
  o[3] = __shfl_down_sync(~0u, t, 3, 16);
  o[4] = __shfl_xor_sync(~0u, t, 9);
  o[5] = static_cast<int>(__shfl_xor_sync(~0u, static_cast<double>(t) + 0.5, 1) * 2);
}

TEST_CASE("shuffles move values between lanes") {
  DeviceArray<int> out(64 * 6);
  launch(shuffles, 1, 64, 0, nullptr, out.data());
  const auto v = out.read();
  for (int t = 0; t < 64; ++t) {
    const int warp = t & ~31, lane = t & 31;
    const int want[] = {warp + 5, (t & ~7) + 3,   lane >= 2 ? t - 2 : t, lane % 16 + 3 < 16 ? t + 3 : t,
                        t ^ 9,    2 * (t ^ 1) + 1};
    for (int i = 0; i < 6; ++i) CHECK(v[static_cast<size_t>(t * 6 + i)] == want[i]);
  }
}

__global__ void votes(unsigned* out) {
  const unsigned t = threadIdx.x;
  unsigned* o = out + t * 7;
  o[0] = __ballot_sync(~0u, t % 3 == 0);
  o[1] = static_cast<unsigned>(__any_sync(~0u, t == 40) + 2 * __all_sync(~0u, t < 64));
  o[2] = __match_any_sync(~0u, t / 5);
  o[3] = __reduce_add_sync(~0u, t);
  o[4] = static_cast<unsigned>(__reduce_max_sync(~0u, static_cast<int>(t) - 100));
  o[5] = static_cast<unsigned>(__syncthreads_count(t % 4 == 0));
  o[6] = static_cast<unsigned>(__syncthreads_or(t == 9) + 2 * __syncthreads_and(t != 9));
}

TEST_CASE("votes, matches and reductions") {
  DeviceArray<unsigned> out(64 * 7);
  launch(votes, 1, 64, 0, nullptr, out.data());
  const auto v = out.read();
  for (unsigned t = 0; t < 64; ++t) {
    const unsigned warp = t & ~31u;
    unsigned ballot = 0, match = 0, sum = 0;
    for (unsigned i = 0; i < 32; ++i) {
      ballot |= ((warp + i) % 3 == 0 ? 1u : 0u) << i;
      match |= ((warp + i) / 5 == t / 5 ? 1u : 0u) << i;
      sum += warp + i;
    }
    const unsigned want[] = {ballot, (warp == 32) + 2u, match, sum, warp + 31 - 100, 16, 1};
    for (unsigned i = 0; i < 7; ++i) CHECK(v[t * 7 + i] == want[i]);
  }
}

__global__ void atomics(int* i, float* f, unsigned long long* big) {
  const int t = static_cast<int>(threadIdx.x + blockIdx.x * blockDim.x);
  atomicAdd(&i[0], 1);
  atomicMax(&i[1], t);
  atomicMin(&i[2], -t);
  atomicXor(&i[3], t);
  if (atomicCAS(&i[4], t, t + 1) == t) atomicAdd(&i[5], 1);
  atomicSub(&i[6], 2);
  atomicExch(&i[7], 5);
  atomicAdd(f, 0.5f);
  atomicAdd(big, 1ull << 33);
}

TEST_CASE("atomics of all threads of all blocks add up") {
  DeviceArray<int> i(std::vector<int>(8, 0));
  DeviceArray<float> f(std::vector<float>{0});
  DeviceArray<unsigned long long> big(std::vector<unsigned long long>{0});
  launch(atomics, 7, 96, 0, nullptr, i.data(), f.data(), big.data());
  int all = 0;
  for (int t = 0; t < 672; ++t) all ^= t;
  const auto v = i.read();
  CHECK(v[0] == 672);
  CHECK(v[1] == 671);
  CHECK(v[2] == -671);
  CHECK(v[3] == all);
  CHECK(v[4] == v[5]);
  CHECK(v[6] == -2 * 672);
  CHECK(v[7] == 5);
  CHECK(f.read()[0] == 336.0f);
  CHECK(big.read()[0] == 672ull << 33);
}

// Two warps hand values on to two others through a named barrier at which the first two do not wait.
__global__ void hand_over(const int* x, int* y) {
  SIMT_SHARED(int, s, [64]);
  const unsigned t = threadIdx.x;
  if (t < 64) {
    s[t] = x[t];
    named_barrier_arrive(1, 128);
  } else {
    named_barrier_sync(1, 128);
    y[t - 64] = s[127 - t];
  }
}

TEST_CASE("named barriers join parts of a block") {
  DeviceArray<int> x(ramp<int>(64)), y(64);
  launch(hand_over, 1, 128, 0, nullptr, x.data(), y.data());
  for (int i = 0; i < 64; ++i) CHECK(y.read()[static_cast<size_t>(i)] == 63 - i);
}

// A ring of two stages between a warp that writes and one that reads.
__global__ void produce_and_consume(const int* x, int* y, int rounds) {
  SIMT_SHARED(int, s, [2][32]);
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int r = 0; r < rounds; ++r) {
    const unsigned full = 1 + static_cast<unsigned>(r % 2), empty = full + 2;
    if (threadIdx.x < 32) {
      if (r >= 2) named_barrier_sync(empty, 64);
      s[r % 2][lane] = x[r * 32 + lane];
      named_barrier_arrive(full, 64);
    } else {
      named_barrier_sync(full, 64);
      y[r * 32 + lane] = s[r % 2][31 - lane];
      if (r + 2 < rounds) named_barrier_arrive(empty, 64);
    }
  }
}

TEST_CASE("named barriers are used again and again") {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 3);
    DeviceArray<int> x(ramp<int>(320)), y(320);
    launch(produce_and_consume, 1, 64, 0, nullptr, x.data(), y.data(), 10);
    for (int i = 0; i < 320; ++i) CHECK(y.read()[static_cast<size_t>(i)] == i / 32 * 32 + 31 - i % 32);
  }
}

__global__ void scalar_shared(float* y) {
  SIMT_SHARED(float, total, );
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  atomicAdd(&total, 1.0f);
  __syncthreads();
  y[threadIdx.x] = total;
}

__global__ void last_of_dynamic(int* y, int n) {
  SIMT_DYNAMIC_SHARED(int, s);
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) s[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) y[0] = s[n - 1];
}

TEST_CASE("shared memory: scalars, and 160 KiB of a dynamic array") {
  DeviceArray<float> y(96);
  launch(scalar_shared, 1, 96, 0, nullptr, y.data());
  for (const float v : y.read()) CHECK(v == 96);
  DeviceArray<int> z(1);
  launch(last_of_dynamic, 1, 64, 160 * 1024, nullptr, z.data(), 40 * 1024);
  CHECK(z.read()[0] == 40 * 1024 - 1);
}

__global__ void fresh_shared(unsigned* y) {
  SIMT_SHARED(uint8_t, s, [64]);
  y[threadIdx.x] = s[threadIdx.x];
}

TEST_CASE("fresh memory is full of ones, so that what is forgotten shows") {
  DeviceArray<unsigned> y(64);
  const std::string error = error_of([&] { launch(fresh_shared, 1, 64, 0, nullptr, y.data()); });
  CHECK(error.empty() != kChecking);
  for (const unsigned v : y.read()) CHECK(v == 255);
  DeviceArray<unsigned> fresh(100);
  for (const unsigned v : fresh.read()) CHECK(v == ~0u);
}

// One thread polls what another will write.
__global__ void flag(int* y) {
  SIMT_SHARED(int, ready, );
  SIMT_SHARED(int, value, );
  if (threadIdx.x == 0) atomicExch(&ready, 0);
  __syncthreads();
  if (threadIdx.x == 0) {
    while (atomicAdd(&ready, 0) == 0) spin();
    y[0] = value;
  } else if (threadIdx.x == 63) {
    value = 42;
    __threadfence_block();
    atomicExch(&ready, 1);
  }
}

TEST_CASE("a thread that polls gives way") {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 5);
    DeviceArray<int> y(1);
    launch(flag, 1, 64, 0, nullptr, y.data());
    CHECK(y.read()[0] == 42);
  }
}

template <typename T, int factor>
struct Scale {
  T offset;
  __device__ T operator()(T x) const { return x * factor + offset; }
};

template <typename T, int count, typename F>
__global__ void __launch_bounds__(128) map(const T* __restrict__ x, T* __restrict__ y, F f) {
  for (int i = 0; i < count; ++i) y[threadIdx.x * count + i] = f(x[threadIdx.x * count + i]);
}

TEST_CASE("kernels are templates and take functors and lambdas by value") {
  DeviceArray<float> x(ramp(128)), y(128);
  launch(map<float, 4, Scale<float, 3>>, 1, 32, 0, nullptr, x.data(), y.data(), Scale<float, 3>{0.5f});
  for (size_t i = 0; i < 128; ++i) CHECK(y.read()[i] == static_cast<float>(3 * i) + 0.5f);
  const float a = 2;
  const auto twice = [a] __device__(float v) { return a * v; };
  launch(map<float, 4, decltype(twice)>, 1, 32, 0, nullptr, x.data(), y.data(), twice);
  for (size_t i = 0; i < 128; ++i) CHECK(y.read()[i] == static_cast<float>(2 * i));
}

__global__ void vectors(const float* x, float* y) {
  const float4 v = vector_at<const float4>(x + 4 * threadIdx.x);
  vector_at<float4>(y + 4 * threadIdx.x) = make_float4(v.w, v.z, v.y, v.x);
}

TEST_CASE("vectors of 16 bytes") {
  DeviceArray<float> x(ramp(128)), y(128);
  launch(vectors, 1, 32, 0, nullptr, x.data(), y.data());
  for (size_t i = 0; i < 128; ++i) CHECK(y.read()[i] == static_cast<float>(i / 4 * 4 + 3 - i % 4));
  CHECK(alignof(float4) == 16);
  CHECK(alignof(float2) == 8);
  CHECK(alignof(uchar4) == 4);
  CHECK(alignof(ushort4) == 8);
  CHECK(sizeof(float3) == 12);
}

TEST_CASE("intrinsics") {
  CHECK(__float_as_uint(1.0f) == 0x3F800000u);
  CHECK(__uint_as_float(0x40000000u) == 2.0f);
  CHECK(__float2int_rn(2.5f) == 2);
  CHECK(__float2int_rd(-1.5f) == -2);
  CHECK(__popc(0xF0F0u) == 8);
  CHECK(__clz(1) == 31);
  CHECK(__ffs(8) == 4);
  CHECK(__umulhi(0x80000000u, 6) == 3);
  CHECK(__umul64hi(1ull << 63, 6) == 3);
  CHECK(__expf(1.0f) == Approx(2.7182817f));
  CHECK(rsqrtf(4.0f) == 0.5f);
  CHECK(min(2, 3) == 2);
  CHECK(max(std::nanf(""), 3.0f) == 3.0f);
  CHECK(max(3.0f, std::nanf("")) == 3.0f);
}

}  // namespace
}  // namespace simt::tests
