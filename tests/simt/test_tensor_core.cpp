// ldmatrix and mma.sync: the fragment layouts against the formulas of the PTX ISA, and whole products against plain
// loops.
#include <cmath>
#include <random>

#include "core/dtype.h"
#include "support.h"

namespace simt::tests {
namespace {

using imago::bfloat16;

// ---- The formulas of the PTX ISA, section "Matrix fragments for mma.m16n8k16 / m16n8k8", as it states them.
struct Index {
  int row, column;
};
// .bf16 A: ai for i = 0..7, two elements a register.
Index a_bf16(int lane, int i) {
  const int group = lane >> 2, thread = lane % 4;
  const int row = (0 <= i && i < 2) || (4 <= i && i < 6) ? group : group + 8;
  return {row, i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8};
}
Index b_bf16(int lane, int i) {  // i = 0..3
  const int group = lane >> 2, thread = lane % 4;
  return {i < 2 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8, group};
}
Index c_f32(int lane, int i) {  // i = 0..3, the same for both shapes
  const int group = lane >> 2, thread = lane % 4;
  return {i < 2 ? group : group + 8, thread * 2 + (i & 1)};
}
Index a_tf32(int lane, int i) {
  const int group = lane >> 2, thread = lane % 4;
  return {i == 0 || i == 2 ? group : group + 8, i == 0 || i == 1 ? thread : thread + 4};
}
Index b_tf32(int lane, int i) { return {i == 0 ? lane % 4 : lane % 4 + 4, lane >> 2}; }

// Every lane brings and takes its registers in memory, (32, count).
__global__ void mma_bf16_registers(const unsigned* a, const unsigned* b, float* d) {
  const unsigned t = threadIdx.x;
  unsigned ra[4], rb[2];
  float rd[4];
  for (unsigned i = 0; i < 4; ++i) ra[i] = a[t * 4 + i];
  for (unsigned i = 0; i < 2; ++i) rb[i] = b[t * 2 + i];
  for (unsigned i = 0; i < 4; ++i) rd[i] = d[t * 4 + i];
  mma_bf16(rd, ra, rb);
  for (unsigned i = 0; i < 4; ++i) d[t * 4 + i] = rd[i];
}
__global__ void mma_tf32_registers(const unsigned* a, const unsigned* b, float* d) {
  const unsigned t = threadIdx.x;
  unsigned ra[4], rb[2];
  float rd[4];
  for (unsigned i = 0; i < 4; ++i) ra[i] = a[t * 4 + i];
  for (unsigned i = 0; i < 2; ++i) rb[i] = b[t * 2 + i];
  for (unsigned i = 0; i < 4; ++i) rd[i] = d[t * 4 + i];
  mma_tf32(rd, ra, rb);
  for (unsigned i = 0; i < 4; ++i) d[t * 4 + i] = rd[i];
}

// Whole numbers: sums are exact, so any element in a wrong place shows.
float element(int row, int column, int salt) { return static_cast<float>((row * 31 + column * 17 + salt) % 23 - 11); }

void check_product(const std::vector<float>& d, int K) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const Index at = c_f32(lane, i);
      double want = element(at.row, at.column, 7);
      for (int k = 0; k < K; ++k) want += static_cast<double>(element(at.row, k, 1)) * element(k, at.column, 2);
      CHECK(static_cast<double>(d[static_cast<size_t>(lane * 4 + i)]) == want);
    }
  }
}

TEST_CASE("mma_bf16 has the layouts of m16n8k16") {
  std::vector<unsigned> a(128), b(64);
  std::vector<float> d(128);
  const auto bits = [](float x) { return unsigned{bfloat16(x).bits}; };
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 8; ++i) {
      const Index at = a_bf16(lane, i);
      a[static_cast<size_t>(lane * 4 + i / 2)] |= bits(element(at.row, at.column, 1)) << (i % 2 * 16);
    }
    for (int i = 0; i < 4; ++i) {
      const Index at = b_bf16(lane, i);
      b[static_cast<size_t>(lane * 2 + i / 2)] |= bits(element(at.row, at.column, 2)) << (i % 2 * 16);
      const Index to = c_f32(lane, i);
      d[static_cast<size_t>(lane * 4 + i)] = element(to.row, to.column, 7);
    }
  }
  DeviceArray<unsigned> A(a), B(b);
  DeviceArray<float> D(d);
  launch(mma_bf16_registers, 1, 32, 0, nullptr, A.data(), B.data(), D.data());
  check_product(D.read(), 16);
}

TEST_CASE("mma_tf32 has the layouts of m16n8k8") {
  std::vector<unsigned> a(128), b(64);
  std::vector<float> d(128);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const Index at = a_tf32(lane, i), to = c_f32(lane, i);
      // The low 13 bits are not part of a tf32 number.
      a[static_cast<size_t>(lane * 4 + i)] = __float_as_uint(element(at.row, at.column, 1)) | 0x1FFFu;
      d[static_cast<size_t>(lane * 4 + i)] = element(to.row, to.column, 7);
    }
    for (int i = 0; i < 2; ++i) {
      const Index at = b_tf32(lane, i);
      b[static_cast<size_t>(lane * 2 + i)] = to_tf32(element(at.row, at.column, 2));
    }
  }
  DeviceArray<unsigned> A(a), B(b);
  DeviceArray<float> D(d);
  launch(mma_tf32_registers, 1, 32, 0, nullptr, A.data(), B.data(), D.data());
  check_product(D.read(), 8);
}

TEST_CASE("to_tf32 rounds to the nearest, ties away from zero") {
  const float one = 1.0f, step = std::ldexp(1.0f, -10);
  CHECK(__uint_as_float(to_tf32(one + step)) == one + step);
  CHECK(__uint_as_float(to_tf32(one + 0.49f * step)) == one);
  CHECK(__uint_as_float(to_tf32(one + 0.5f * step)) == one + step);
  CHECK(__uint_as_float(to_tf32(-one - 0.5f * step)) == -one - step);
  CHECK(std::isinf(__uint_as_float(to_tf32(INFINITY))));
  CHECK(std::isnan(__uint_as_float(to_tf32(NAN))));
}

template <int N, bool trans>
__global__ void load_matrices(const uint16_t* x, unsigned* y) {  // x: N 8x8 matrices, one after the other
  SIMT_SHARED(uint16_t, s, [32][24]);                            // 48 bytes a row, for the alignment of 16
  const unsigned t = threadIdx.x;
  for (unsigned i = t; i < 64 * N; i += 32) s[i / 8][i % 8] = x[i];
  __syncthreads();
  unsigned r[N];
  // Lanes beyond 8 N bring an address that nobody may look at.
  const void* row = t < 8 * N ? static_cast<const void*>(&s[t][0]) : nullptr;
  if constexpr (trans)
    ldmatrix_trans(r, row);
  else
    ldmatrix(r, row);
  for (unsigned i = 0; i < N; ++i) y[t * N + i] = r[i];
}

template <int N, bool trans>
void check_ldmatrix() {
  DeviceArray<uint16_t> x(ramp<uint16_t>(64 * N));
  DeviceArray<unsigned> y(32 * N);
  launch(load_matrices<N, trans>, 1, 32, 0, nullptr, x.data(), y.data());
  const auto v = y.read();
  for (size_t lane = 0; lane < 32; ++lane) {
    for (size_t m = 0; m < N; ++m) {
      for (size_t half = 0; half < 2; ++half) {
        // "each thread holds a fragment of a row: thread 0 the first two elements of row 0, thread 4 of row 1"
        const size_t row = lane / 4, column = lane % 4 * 2 + half;
        const size_t want = m * 64 + (trans ? column * 8 + row : row * 8 + column);
        CHECK((v[lane * N + m] >> (16 * half) & 0xFFFF) == want);
      }
    }
  }
}

TEST_CASE("ldmatrix spreads 1, 2 or 4 matrices over the warp, as they are or transposed") {
  check_ldmatrix<1, false>();
  check_ldmatrix<2, false>();
  check_ldmatrix<4, false>();
  check_ldmatrix<1, true>();
  check_ldmatrix<2, true>();
  check_ldmatrix<4, true>();
}

// C (M, N) = A (M, K) B (N, K)^T. 64x64 tiles, K in steps of 32, four warps of 32x32, a ring of `stages` tiles filled
// by cp.async. Rows are padded by 16 bytes, so that ldmatrix meets no bank conflicts. K is a multiple of 8.
template <int stages>
__global__ void __launch_bounds__(128)
    gemm(const bfloat16* __restrict__ A, const bfloat16* __restrict__ B, float* __restrict__ C, int M, int N, int K) {
  constexpr int kTile = 64, kStep = 32, kRow = kStep + 8, kChunks = kStep / 8;
  SIMT_SHARED(bfloat16, a_tile, [stages][kTile][kRow]);
  SIMT_SHARED(bfloat16, b_tile, [stages][kTile][kRow]);
  const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32;
  const int row0 = static_cast<int>(blockIdx.y) * kTile, column0 = static_cast<int>(blockIdx.x) * kTile;
  const int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32, steps = (K + kStep - 1) / kStep;

  const auto load = [&](int step) {
    for (int i = t; i < kTile * kChunks; i += 128) {
      const int r = i / kChunks, c = i % kChunks * 8, k = step * kStep + c;
      const bool a_inside = k < K && row0 + r < M, b_inside = k < K && column0 + r < N;
      cp_async<16>(&a_tile[step % stages][r][c], a_inside ? A + (row0 + r) * K + k : A, a_inside ? 16 : 0);
      cp_async<16>(&b_tile[step % stages][r][c], b_inside ? B + (column0 + r) * K + k : B, b_inside ? 16 : 0);
    }
  };

  float acc[2][4][4] = {};
  for (int step = 0; step < stages - 1; ++step) {
    if (step < steps) load(step);
    cp_async_commit();
  }
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<stages - 2>();
    __syncthreads();  // everybody's copies of this step are in, and the previous step has been read
    if (step + stages - 1 < steps) load(step + stages - 1);
    cp_async_commit();
    for (int k = 0; k < kStep; k += 16) {
      unsigned a[2][4], b[4][2];
      for (int i = 0; i < 2; ++i) {
        ldmatrix(a[i], &a_tile[step % stages][warp_row + i * 16 + lane % 16][k + lane / 16 * 8]);
      }
      for (int j = 0; j < 4; ++j) {
        ldmatrix(b[j], &b_tile[step % stages][warp_column + j * 8 + lane % 8][k + lane / 8 % 2 * 8]);
      }
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 4; ++j) mma_bf16(acc[i][j], a[i], b[j]);
    }
  }
  cp_async_wait<0>();
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      for (int e = 0; e < 4; ++e) {
        const int row = row0 + warp_row + i * 16 + lane / 4 + e / 2 * 8;
        const int column = column0 + warp_column + j * 8 + lane % 4 * 2 + e % 2;
        if (row < M && column < N) C[row * N + column] = acc[i][j][e];
      }
}

template <int stages>
double gemm_error(int M, int N, int K) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<bfloat16> a(static_cast<size_t>(M * K)), b(static_cast<size_t>(N * K));
  for (bfloat16& v : a) v = bfloat16(uniform(generator));
  for (bfloat16& v : b) v = bfloat16(uniform(generator));
  DeviceArray<bfloat16> A(a), B(b);
  DeviceArray<float> C(static_cast<size_t>(M * N));
  const dim3 grid(static_cast<unsigned>(N + 63) / 64, static_cast<unsigned>(M + 63) / 64);
  launch(gemm<stages>, grid, 128, 0, nullptr, A.data(), B.data(), C.data(), M, N, K);
  const auto c = C.read();
  double worst = 0;
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) {
      double want = 0;
      for (int k = 0; k < K; ++k) {
        want += static_cast<double>(static_cast<float>(a[static_cast<size_t>(m * K + k)])) *
                static_cast<double>(static_cast<float>(b[static_cast<size_t>(n * K + k)]));
      }
      const double error = std::abs(static_cast<double>(c[static_cast<size_t>(m * N + n)]) - want);
      worst = error <= worst ? worst : error;  // NaN wins
    }
  return worst;
}

TEST_CASE("a pipelined matrix product gives what plain loops give, in every thread order") {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ScopedOptions scope(order, 11);
    CHECK(gemm_error<2>(64, 64, 64) < 1e-5);
    CHECK(gemm_error<3>(70, 45, 104) < 1e-5);
  }
}

}  // namespace
}  // namespace simt::tests
