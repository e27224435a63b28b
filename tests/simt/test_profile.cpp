// The counters on kernels whose use of memory is known from the textbook.
#include "core/dtype.h"
#include "kernels/simt/profile.h"
#include "support.h"

#ifdef IMAGO_SIMT_CHECK

namespace simt::tests {
namespace {

template <int padding>
__global__ void transpose(const float* x, float* y, int n) {
  SIMT_SHARED(float, tile, [32][32 + padding]);
  const int tx = static_cast<int>(threadIdx.x), x0 = static_cast<int>(blockIdx.x) * 32;
  const int y0 = static_cast<int>(blockIdx.y) * 32;
  for (int r = static_cast<int>(threadIdx.y); r < 32; r += 8) tile[r][tx] = x[(y0 + r) * n + x0 + tx];
  __syncthreads();
  for (int r = static_cast<int>(threadIdx.y); r < 32; r += 8) y[(x0 + r) * n + y0 + tx] = tile[tx][r];
}
__global__ void strided(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x * 8]; }
__global__ void misplaced(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }
__global__ void by_vectors(const float4* x, float4* y) { y[threadIdx.x] = x[threadIdx.x]; }
__global__ void broadcast(const float* x, float* y) {
  SIMT_SHARED(float, s, [1]);
  if (threadIdx.x == 0) s[0] = x[0];
  __syncthreads();
  y[threadIdx.x] = s[0];
}
template <int row>
__global__ void matrices(unsigned* y) {
  SIMT_SHARED(uint16_t, s, [16 * row]);
  for (unsigned i = threadIdx.x; i < 16 * row; i += 32) s[i] = 0;
  __syncthreads();
  unsigned r[4];
  ldmatrix(r, &s[threadIdx.x % 16 * row + threadIdx.x / 16 * 8]);
  y[threadIdx.x] = r[0];
}
__global__ void copies(const float4* x, float4* y) {
  SIMT_SHARED(float4, s, [32]);
  cp_async<16>(&s[threadIdx.x], &x[threadIdx.x]);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}

// The counters of one kind of access in what f launches.
template <typename F>
Counters count(bool shared, bool write, F f) {
  set_profiling(true);
  clear_profile();
  f();
  set_profiling(false);
  Counters sum;
  for (const ProfileLine& l : profile())
    if (l.shared == shared && l.write == write) sum += l.counters;
  return sum;
}

TEST_CASE("a transpose without padding has 32-way bank conflicts, with padding none") {
  DeviceArray<float> x(ramp(64 * 64)), y(64 * 64);
  const auto run = [&](auto kernel) {
    return [&x, &y, kernel] { launch(kernel, dim3(2, 2), dim3(32, 8), 0, nullptr, x.data(), y.data(), 64); };
  };
  const Counters plain = count(true, false, run(transpose<0>)), padded = count(true, false, run(transpose<1>));
  CHECK(plain.requests == 4 * 32);
  CHECK(plain.conflict() == 32);
  CHECK(padded.requests == 4 * 32);
  CHECK(padded.conflict() == 1);
  CHECK(count(true, true, run(transpose<0>)).conflict() == 1);
  const Counters loads = count(false, false, run(transpose<0>));
  CHECK(loads.requests == 4 * 32);
  CHECK(loads.sectors_per_request() == 4);
  CHECK(loads.sector_use() == 1);
}

TEST_CASE("sectors of strided, misplaced and vector loads") {
  DeviceArray<float> x(ramp(2048)), y(1024);
  const Counters far = count(false, false, [&] { launch(strided, 1, 256, 0, nullptr, x.data(), y.data()); });
  CHECK(far.requests == 8);
  CHECK(far.sectors_per_request() == 32);
  CHECK(far.sector_use() == 0.125);
  const Counters shifted = count(false, false, [&] { launch(misplaced, 1, 32, 0, nullptr, x.data(), y.data()); });
  CHECK(shifted.sectors_per_request() == 5);
  const auto* from = reinterpret_cast<const float4*>(x.data());
  auto* to = reinterpret_cast<float4*>(y.data());
  const Counters wide = count(false, true, [&] { launch(by_vectors, 1, 256, 0, nullptr, from, to); });
  CHECK(wide.requests == 8);
  CHECK(wide.sectors_per_request() == 16);
  CHECK(wide.sector_use() == 1);
}

TEST_CASE("a word that all lanes read is no conflict") {
  DeviceArray<float> x(ramp(1)), y(256);
  const Counters c = count(true, false, [&] { launch(broadcast, 1, 256, 0, nullptr, x.data(), y.data()); });
  CHECK(c.requests == 8);
  CHECK(c.conflict() == 1);
}

TEST_CASE("ldmatrix needs rows that are padded") {
  DeviceArray<unsigned> y(32);
  CHECK(count(true, false, [&] { launch(matrices<64>, 1, 32, 0, nullptr, y.data()); }).conflict() == 8);
  CHECK(count(true, false, [&] { launch(matrices<64 + 8>, 1, 32, 0, nullptr, y.data()); }).conflict() == 1);
}

TEST_CASE("cp.async counts where it is issued") {
  DeviceArray<float> x(ramp(128)), y(128);
  const auto run = [&] {
    launch(copies, 1, 32, 0, nullptr, reinterpret_cast<const float4*>(x.data()), reinterpret_cast<float4*>(y.data()));
  };
  const Counters loads = count(false, false, run), stores = count(true, true, run);
  CHECK(loads.requests == 1);
  CHECK(loads.sectors == 16);
  CHECK(stores.requests == 1);
  CHECK(stores.wavefronts == 4);
  CHECK(stores.conflict() == 1);
}

TEST_CASE("the table names kernels and lines") {
  DeviceArray<float> x(ramp(2048)), y(1024);
  count(false, false, [&] { launch(strided, 1, 256, 0, nullptr, x.data(), y.data()); });
  const std::string table = profile_table();
  CHECK_THAT(table, Catch::Matchers::StartsWith("strided\n"));
  CHECK_THAT(table, Catch::Matchers::Contains("strided at test_profile.cpp:"));
  CHECK_THAT(table, Catch::Matchers::Contains("32.00 sectors each,  12 % of their bytes used"));
}

}  // namespace
}  // namespace simt::tests

#endif  // IMAGO_SIMT_CHECK
