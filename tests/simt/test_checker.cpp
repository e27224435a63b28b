// Mistakes that need the checker: a report must name the line that says `bug: NAME`. And correct kernels that a
// careless checker would complain about.

#include "support.h"

#ifdef IMAGO_SIMT_CHECK

namespace simt::tests {
namespace {

using Catch::Matchers::Contains;

std::string line_of(const std::string& name) { return tests::line_of("test_checker.cpp", name); }

// f launches a kernel; the message must say `what` and name the line.
template <typename F>
void expect(const char* name, const std::string& what, F f) {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 9);
    const std::string error = error_of(f);
    INFO(name);
    CHECK_THAT(error, Contains(what));
    CHECK_THAT(error, Contains(line_of(name)));
    CHECK_THAT(error, Contains(" by thread ("));
    CHECK_THAT(error, Contains(") of block ("));
  }
}
template <typename F>
void expect_fine(F f) {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 9);
    CHECK(error_of(f) == "");
  }
}

// ---- bounds, alignment, wild addresses

__global__ void store_too_far(float* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= n) x[i] = 1.0f;  // bug: store_too_far
}
__global__ void load_too_far(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x + 1];  // bug: load_too_far
}
__global__ void load_before(const uint8_t* x, float* y) {
  y[threadIdx.x] = x[static_cast<int>(threadIdx.x) - 1];  // bug: load_before
}
__global__ void shared_too_far(float* y) {
  SIMT_SHARED(float, s, [64]);
  SIMT_SHARED(float, other, [64]);
  other[threadIdx.x] = 0;
  s[threadIdx.x + 1] = 1.0f;  // bug: shared_too_far
  __syncthreads();
  y[threadIdx.x] = s[63] + other[threadIdx.x];
}
__global__ void dynamic_too_far(float* y) {
  SIMT_DYNAMIC_SHARED(float, s);
  s[threadIdx.x] = 1.0f;  // bug: dynamic_too_far
  __syncthreads();
  y[threadIdx.x] = s[0];
}
__global__ void atomic_too_far(int* x) {
  atomicAdd(&x[threadIdx.x + 1], 1);  // bug: atomic_too_far
}
__global__ void copy_too_far(const float* x, float* y) {
  SIMT_SHARED(float, s, [64]);
  cp_async<4>(&s[threadIdx.x], &x[threadIdx.x + 1]);  // bug: copy_too_far
  cp_async_commit();
  cp_async_wait<0>();
  y[threadIdx.x] = s[threadIdx.x];
}
__global__ void misaligned_float4(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x + 1 + 4 * threadIdx.x);  // bug: misaligned_float4
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}
__global__ void misaligned_shared(float* y) {
  SIMT_SHARED(float, s, [65]);
  for (unsigned i = threadIdx.x; i < 65; i += 32) s[i] = 0;
  __syncthreads();
  const float2 v = *reinterpret_cast<const float2*>(&s[1 + 2 * threadIdx.x]);  // bug: misaligned_shared
  y[threadIdx.x] = v.x + v.y;
}
__global__ void copy(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];  // bug: copy
}

TEST_CASE("out of bounds") {
  DeviceArray<float> x(std::vector<float>(100, 0)), y(100);
  expect("store_too_far", "out of bounds: write to 4 bytes of device memory",
         [&] { launch(store_too_far, 2, 64, 0, nullptr, x.data(), 100); });
  DeviceArray<float> x64(ramp(64));
  expect("load_too_far", "out of bounds: read of 4 bytes of device memory",
         [&] { launch(load_too_far, 1, 64, 0, nullptr, x64.data(), y.data()); });
  DeviceArray<uint8_t> bytes(std::vector<uint8_t>(64, 1));
  expect("load_before", "out of bounds: read of 1 byte of device memory",
         [&] { launch(load_before, 1, 64, 0, nullptr, bytes.data(), y.data()); });
  expect("shared_too_far", "out of bounds: write to 4 bytes of shared memory",
         [&] { launch(shared_too_far, 1, 64, 0, nullptr, y.data()); });
  expect("dynamic_too_far", "out of bounds: write to 4 bytes of shared memory",
         [&] { launch(dynamic_too_far, 1, 64, 63 * 4, nullptr, y.data()); });
  DeviceArray<int> counts(std::vector<int>(64, 0));
  expect("atomic_too_far", "out of bounds: atomic on 4 bytes of device memory",
         [&] { launch(atomic_too_far, 1, 64, 0, nullptr, counts.data()); });
  expect("copy_too_far", "out of bounds: read of 4 bytes of device memory",
         [&] { launch(copy_too_far, 1, 64, 0, nullptr, x64.data(), y.data()); });
}

TEST_CASE("misaligned vectors") {
  DeviceArray<float> x(ramp(160)), y(32);
  expect("misaligned_float4", "misaligned: read of 16 bytes of device memory",
         [&] { launch(misaligned_float4, 1, 32, 0, nullptr, x.data(), y.data()); });
  expect("misaligned_shared", "misaligned: read of 8 bytes of shared memory",
         [&] { launch(misaligned_shared, 1, 32, 0, nullptr, y.data()); });
}

TEST_CASE("memory that is the host's, or not any more the device's") {
  const auto host = ramp(64);
  DeviceArray<float> y(64);
  expect("copy", "wild address: read of 4 bytes", [&] { launch(copy, 1, 64, 0, nullptr, host.data(), y.data()); });
  const float* released;
  { released = DeviceArray<float>(ramp(64)).data(); }
  expect("copy", "out of bounds: read of 4 bytes", [&] { launch(copy, 1, 64, 0, nullptr, released, y.data()); });
  { released = DeviceArray<float>(ramp(10000)).data(); }
  expect("copy", "out of bounds: read of 4 bytes", [&] { launch(copy, 1, 64, 0, nullptr, released, y.data()); });
}

TEST_CASE("host code that touches device memory") {
  DeviceArray<float> x(ramp(64)), y(64);
  const float first = x.data()[0];  // bug: host
  const std::string error = error_of([&] { launch(copy, 1, 64, 0, nullptr, x.data(), y.data()); });
  CHECK(first == 0);
  CHECK_THAT(error, Contains("device memory touched by host code"));
  CHECK_THAT(error, Contains(line_of("host")));
}

// ---- uninitialised memory

__global__ void uninitialised_shared(int* y) {
  SIMT_SHARED(int, s, [64]);
  if (threadIdx.x < 63) s[threadIdx.x] = 0;
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x] & 1;  // bug: uninitialised_shared
}
__global__ void uninitialised_device(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] * 0.5f;  // bug: uninitialised_device
}
__global__ void uninitialised_byte(uint8_t* x, float* y) {
  if (threadIdx.x != 5) x[threadIdx.x] = 1;
  y[threadIdx.x] = x[threadIdx.x];  // bug: uninitialised_byte
}
__global__ void uninitialised_sum(int* x) {
  atomicAdd(&x[0], 1);  // bug: uninitialised_sum
}

TEST_CASE("reads of what nobody has written") {
  DeviceArray<int> i(64);
  DeviceArray<float> y(64);
  expect("uninitialised_shared", "uninitialised: read of 4 bytes of shared memory",
         [&] { launch(uninitialised_shared, 1, 64, 0, nullptr, i.data()); });
  expect("uninitialised_device", "uninitialised: read of 4 bytes of device memory",
         [&] { launch(uninitialised_device, 1, 64, 0, nullptr, DeviceArray<float>(64).data(), y.data()); });
  expect("uninitialised_byte", "uninitialised: read of 1 byte of device memory",
         [&] { launch(uninitialised_byte, 1, 64, 0, nullptr, DeviceArray<uint8_t>(64).data(), y.data()); });
  expect("uninitialised_sum", "uninitialised",
         [&] { launch(uninitialised_sum, 1, 64, 0, nullptr, DeviceArray<int>(1).data()); });
}

// ---- races within a block: `bug` leaves out what orders the accesses

template <bool bug>
__global__ void reverse(const float* x, float* y) {
  SIMT_SHARED(float, s, [1024]);
  const unsigned t = threadIdx.x, n = blockDim.x;
  s[t] = x[t];
  if (!bug) __syncthreads();
  y[t] = s[n - 1 - t];  // bug: reverse
}
template <bool bug>
__global__ void neighbour(const float* x, float* y) {  // run in order, the bug does not show
  SIMT_SHARED(float, s, [1024]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  if (!bug) __syncthreads();
  y[t] = t ? s[t - 1] : 0.0f;  // bug: neighbour
}
template <bool bug>
__global__ void reuse(const float* x, float* y, int rounds) {  // write after read
  SIMT_SHARED(float, s, [256]);
  const unsigned t = threadIdx.x;
  float sum = 0;
  for (int r = 0; r < rounds; ++r) {
    s[t] = x[static_cast<unsigned>(r) * 256 + t];  // bug: reuse
    __syncthreads();
    sum += s[(t + 1) % 256];
    if (!bug) __syncthreads();
  }
  y[t] = sum;
}
template <bool bug>
__global__ void exchange_in_warp(const float* x, float* y) {
  SIMT_SHARED(float, s, [64]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  if (!bug) __syncwarp();
  y[t] = s[t ^ 1];  // bug: exchange_in_warp
}
__global__ void shuffle_is_no_fence(const float* x, float* y) {
  SIMT_SHARED(float, s, [64]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  const float v = __shfl_xor_sync(~0u, x[t], 1);
  y[t] = s[t ^ 1] + 0 * v;  // bug: shuffle_is_no_fence
}
__global__ void syncwarp_is_for_one_warp(const float* x, float* y) {
  SIMT_SHARED(float, s, [64]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  __syncwarp();
  y[t] = s[t ^ 32];  // bug: syncwarp_is_for_one_warp
}
template <bool bug>
__global__ void tree(const float* x, float* y) {
  SIMT_SHARED(float, s, [256]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  for (unsigned h = 128; h; h /= 2) {
    if (t < h) s[t] += s[t + h];          // bug: tree
    if (!bug || h > 32) __syncthreads();  // "the last warp runs in step anyway"
  }
  if (t == 0) y[0] = s[0];
}
template <bool bug>
__global__ void histogram(const int* x, int* y) {
  SIMT_SHARED(int, s, [16]);
  const unsigned t = threadIdx.x;
  if (t < 16) s[t] = 0;
  __syncthreads();
  if (bug)
    ++s[x[t]];  // bug: histogram
  else
    atomicAdd(&s[x[t]], 1);
  __syncthreads();
  if (t < 16) y[t] = s[t];
}
template <bool bug>
__global__ void neighbouring_bytes(const uint8_t* x, uint8_t* y) {  // bytes of one word by different threads
  SIMT_SHARED(uint8_t, s, [64]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  s[t] = static_cast<uint8_t>(s[t] + s[bug ? t ^ 3 : t]);  // bug: neighbouring_bytes
  __syncthreads();
  y[t] = s[t];
}
// The named barrier is for the first two of three warps.
template <bool bug>
__global__ void part_of_block(const float* x, float* y) {
  SIMT_SHARED(float, s, [96]);
  const unsigned t = threadIdx.x;
  s[t] = x[t];
  if (t < 64) named_barrier_sync(1, 64);
  y[t] = s[t < 64 ? (bug ? 95 - t : 63 - t) : t];  // bug: part_of_block
}

TEST_CASE("races within a block") {
  DeviceArray<float> x(ramp(1024)), y(1024);
  const auto one_block = [&](auto kernel, unsigned threads) {
    return [&x, &y, kernel, threads] { launch(kernel, 1, threads, 0, nullptr, x.data(), y.data()); };
  };
  expect("reverse", "race: ", one_block(reverse<true>, 256));
  expect("reverse", "race: ", one_block(reverse<true>, 1024));
  expect("neighbour", "race: read of shared memory", [&] {
    ScopedOptions forward(Order::forward);
    launch(neighbour<true>, 1, 256, 0, nullptr, x.data(), y.data());
  });
  expect("reuse", "race: ", [&] { launch(reuse<true>, 1, 256, 0, nullptr, x.data(), y.data(), 4); });
  expect("exchange_in_warp", "race: ", one_block(exchange_in_warp<true>, 64));
  expect("shuffle_is_no_fence", "race: ", one_block(shuffle_is_no_fence, 64));
  expect("syncwarp_is_for_one_warp", "race: ", one_block(syncwarp_is_for_one_warp, 64));
  expect("tree", "race: ", one_block(tree<true>, 256));
  expect("part_of_block", "race: ", one_block(part_of_block<true>, 96));
  DeviceArray<int> bins(std::vector<int>(256, 3)), counts(16);
  expect("histogram", "race: ", [&] { launch(histogram<true>, 1, 256, 0, nullptr, bins.data(), counts.data()); });
  DeviceArray<uint8_t> bytes(std::vector<uint8_t>(64, 1)), sums(64);
  expect("neighbouring_bytes",
         "race: ", [&] { launch(neighbouring_bytes<true>, 1, 64, 0, nullptr, bytes.data(), sums.data()); });
}

TEST_CASE("a report names both accesses of a race") {
  DeviceArray<float> x(ramp(256)), y(256);
  ScopedOptions forward(Order::forward);
  const std::string error = error_of([&] { launch(neighbour<true>, 1, 256, 0, nullptr, x.data(), y.data()); });
  CHECK_THAT(error, Contains("race: read of shared memory in neighbour<true> at " + line_of("neighbour") +
                             " by thread (1,0,0) of block (0,0,0); earlier write in neighbour<true> at "));
}

TEST_CASE("no complaint about the same kernels with their barriers") {
  DeviceArray<float> x(ramp(1024)), y(1024);
  const auto one_block = [&](auto kernel, unsigned threads) {
    return [&x, &y, kernel, threads] { launch(kernel, 1, threads, 0, nullptr, x.data(), y.data()); };
  };
  expect_fine(one_block(reverse<false>, 1024));
  expect_fine(one_block(neighbour<false>, 256));
  expect_fine([&] { launch(reuse<false>, 1, 256, 0, nullptr, x.data(), y.data(), 4); });
  expect_fine(one_block(exchange_in_warp<false>, 64));
  expect_fine(one_block(tree<false>, 256));
  expect_fine(one_block(part_of_block<false>, 96));
  DeviceArray<int> bins(std::vector<int>(256, 3)), counts(16);
  expect_fine([&] { launch(histogram<false>, 1, 256, 0, nullptr, bins.data(), counts.data()); });
  CHECK(counts.read()[3] == 256);
  DeviceArray<uint8_t> bytes(std::vector<uint8_t>(64, 1)), sums(64);
  expect_fine([&] { launch(neighbouring_bytes<false>, 1, 64, 0, nullptr, bytes.data(), sums.data()); });
}

// ---- races between blocks

__global__ void same_output(float* y) {
  if (threadIdx.x == 0) y[0] = static_cast<float>(blockIdx.x);  // bug: same_output
}
__global__ void plain_sum(const float* x, float* y) {
  if (threadIdx.x == 0) y[0] += x[blockIdx.x];  // bug: plain_sum
}
// The last block to finish adds up what all have left in memory.
template <bool bug>
__global__ void last_block(const float* x, float* partial, unsigned* count, float* y) {
  SIMT_SHARED(bool, last, );
  if (threadIdx.x < 4) partial[4 * blockIdx.x + threadIdx.x] = x[4 * blockIdx.x + threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    if (!bug) __threadfence();
    last = atomicAdd(count, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 1) {
    float sum = 0;
    for (unsigned i = 0; i < 4 * gridDim.x; ++i) sum += partial[i];  // bug: last_block
    y[0] = sum;
  }
}

TEST_CASE("races between blocks") {
  DeviceArray<float> x(ramp(160)), y(std::vector<float>{0});
  expect("same_output", "race: write to device memory", [&] { launch(same_output, 40, 32, 0, nullptr, y.data()); });
  expect("plain_sum", "race: ", [&] { launch(plain_sum, 40, 32, 0, nullptr, x.data(), y.data()); });
  const auto run = [&](auto kernel) {
    return [&x, &y, kernel] {
      DeviceArray<float> partial(160);
      DeviceArray<unsigned> count(std::vector<unsigned>{0});
      launch(kernel, 40, 32, 0, nullptr, x.data(), partial.data(), count.data(), y.data());
    };
  };
  expect("last_block", "race: read of device memory", run(last_block<true>));
  expect_fine(run(last_block<false>));
  CHECK(y.read()[0] == 159 * 80);
}

TEST_CASE("launches are ordered") {
  DeviceArray<float> x(ramp(64)), y(64);
  expect_fine([&] {
    launch(copy, 1, 64, 0, nullptr, x.data(), y.data());
    launch(copy, 1, 32, 0, nullptr, y.data(), x.data());
  });
}

// ---- cp.async

enum class Mistake { none, no_wait, weak_wait, no_barrier };
template <Mistake mistake>
__global__ void copies(const float* x, float* y) {
  SIMT_SHARED(float, s, [2][128]);
  const unsigned t = threadIdx.x;
  for (unsigned k = 0; k < 2; ++k) {
    cp_async<4>(&s[k][t], &x[k * 128 + t]);
    cp_async_commit();
  }
  if (mistake != Mistake::no_wait) cp_async_wait<mistake == Mistake::weak_wait ? 1 : 0>();
  if (mistake != Mistake::no_barrier) __syncthreads();
  y[t] = s[0][127 - t] + s[1][127 - t];  // bug: copies
  cp_async_wait<0>();
}
template <bool bug>
__global__ void refill(const float* x, float* y, int rounds) {  // a stage that others still read
  SIMT_SHARED(float, s, [2][128]);
  const unsigned t = threadIdx.x;
  cp_async<4>(&s[0][t], &x[t]);
  cp_async_commit();
  float sum = 0;
  for (int r = 0; r < rounds; ++r) {
    if (r + 1 < rounds) cp_async<4>(&s[(r + 1) % 2][t], &x[static_cast<unsigned>(r + 1) * 128 + t]);  // bug: refill
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();
    sum += s[r % 2][127 - t];
    if (!bug) __syncthreads();
  }
  y[t] = sum;
}

TEST_CASE("misuse of cp.async") {
  DeviceArray<float> x(ramp(512)), y(128);
  const auto run = [&](auto kernel) {
    return [&x, &y, kernel] { launch(kernel, 1, 128, 0, nullptr, x.data(), y.data()); };
  };
  expect("copies", "that cp.async is still filling", run(copies<Mistake::no_wait>));
  expect("copies", "that cp.async is still filling", run(copies<Mistake::weak_wait>));
  expect("copies", "race: ", run(copies<Mistake::no_barrier>));
  expect_fine(run(copies<Mistake::none>));
  expect("refill", "race: ", [&] { launch(refill<true>, 1, 128, 0, nullptr, x.data(), y.data(), 4); });
  expect_fine([&] { launch(refill<false>, 1, 128, 0, nullptr, x.data(), y.data(), 4); });
}

// ---- helpers

[[gnu::noinline]] __device__ float helper(const float* x) {
  return x[threadIdx.x];  // bug: helper
}
__global__ void calls_helper(const float* x, float* y) {
  y[threadIdx.x] = helper(x + 1);  // bug: calls_helper
}

TEST_CASE("a mistake in a function that the kernel calls is reported with both lines") {
  DeviceArray<float> x(ramp(64)), y(64);
  const std::string error = error_of([&] { launch(calls_helper, 1, 64, 0, nullptr, x.data(), y.data()); });
  CHECK_THAT(error, Contains("in helper at " + line_of("helper") + ", called from calls_helper at " +
                             line_of("calls_helper")));
}

}  // namespace
}  // namespace simt::tests

#endif  // IMAGO_SIMT_CHECK
