// Matrix products on the FFMA units: tiles of both operands go through shared memory, and each of 16 x 16 threads keeps
// R x R outputs in registers. While a step is computed the next one is on its way from memory.
#include "kernels/cuda/device/sum_parts.cuh"
#include "kernels/cuda/matmul.cuh"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int kInner = 16;  // k of one step
constexpr int kGroup = 4;   // neighbouring elements that a thread moves and computes together

// op(x) of one product, as (rows, K): b is seen transposed. Neighbours in memory differ in k where k_runs, else in row.
template <typename T>
struct Operand {
  const T* x;
  int64_t rows, K, pitch;
  bool k_runs, aligned;  // aligned: groups are whole and may be loaded at once

  // (row, k) and the three behind it. Zeros outside.
  __device__ Pack<T, kGroup> load(int64_t row, int64_t k) const {
    const int64_t outer = k_runs ? row : k, outer_end = k_runs ? rows : K;
    const int64_t inner = k_runs ? k : row, inner_end = k_runs ? K : rows;
    const T* from = x + outer * pitch + inner;
    if (outer < outer_end && inner < inner_end && aligned) return load_pack<kGroup>(from);
    Pack<T, kGroup> group;
    for (int i = 0; i < kGroup; ++i) group.v[i] = outer < outer_end && inner + i < inner_end ? from[i] : T(0.0f);
    return group;
  }
};

template <typename T>
struct ExactMatmul {
  Operand<T> a, b;  // (M, K)  (N, K)
  int64_t a_step, b_step;
  MatmulStore<T> store;
  MatmulPlan plan;
};

// Where in a tile of kSize rows the group number i of thread t lies.
template <int kSize>
struct Place {
  int row, k;
  __device__ Place(bool k_runs, int i) {
    const int group = static_cast<int>(threadIdx.x) + i * kThreads;
    row = k_runs ? group / (kInner / kGroup) : group % (kSize / kGroup) * kGroup;
    k = k_runs ? group % (kInner / kGroup) * kGroup : group / (kSize / kGroup);
  }
};

// The part of an operand that a block needs for one step; in shared memory rows lie side by side.
template <typename T, int kSize>
struct Slab {
  static constexpr int kGroups = kSize * kInner / kGroup / kThreads;
  using A = Accumulator<T>;
  Pack<T, kGroup> groups[kGroups];

  __device__ void fetch(const Operand<T>& x, int64_t row, int64_t k) {
#pragma unroll
    for (int i = 0; i < kGroups; ++i) {
      const Place<kSize> at(x.k_runs, i);
      groups[i] = x.load(row + at.row, k + at.k);
    }
  }
  __device__ void put(bool k_runs, A (&tile)[kInner][kSize + kGroup]) const {
#pragma unroll
    for (int i = 0; i < kGroups; ++i) {
      const Place<kSize> at(k_runs, i);
      for (int e = 0; e < kGroup; ++e) (k_runs ? tile[at.k + e][at.row] : tile[at.k][at.row + e]) = A(groups[i].v[e]);
    }
  }
};

// The R positions of a thread in a tile of 16 R rows: groups of four, 64 apart.
template <int R>
__device__ __forceinline__ int position(int thread, int i) {
  return i / kGroup * 16 * kGroup + thread * kGroup + i % kGroup;
}
template <int R, typename A>
__device__ __forceinline__ void load_row(A (&to)[R], const A* row, int thread) {
#pragma unroll
  for (int i = 0; i < R; i += kPack<A>) {
    const Pack<A, kPack<A>> pack = load_pack<kPack<A>>(row + position<R>(thread, i));
    for (int e = 0; e < kPack<A>; ++e) to[i + e] = pack.v[e];
  }
}

template <typename T, int R>
__global__ void __launch_bounds__(kThreads) matmul_exact_kernel(const ExactMatmul<T> p) {
  using A = Accumulator<T>;
  constexpr int kSize = 16 * R;
  SIMT_SHARED(A, a_tile, [2][kInner][kSize + kGroup]);
  SIMT_SHARED(A, b_tile, [2][kInner][kSize + kGroup]);
  const MatmulTask task(p.plan);
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
  const MatmulStore<T> store = p.store.at(task, kSize, kSize);

  Slab<T, kSize> a, b;
  const auto fetch = [&](int64_t step) {
    const int64_t term = task.product + step / p.plan.inner_steps, k = step % p.plan.inner_steps * kInner;
    Operand<T> from_a = p.a, from_b = p.b;
    from_a.x += term * p.a_step;
    from_b.x += term * p.b_step;
    a.fetch(from_a, store.row, k);
    b.fetch(from_b, store.col, k);
  };
  A sum[R][R] = {};
  if (task.first_step < task.last_step) fetch(task.first_step);
  for (int64_t step = task.first_step; step < task.last_step; ++step) {
    const int stage = static_cast<int>((step - task.first_step) % 2);
    a.put(p.a.k_runs, a_tile[stage]);
    b.put(p.b.k_runs, b_tile[stage]);
    __syncthreads();  // the tile is whole; and nobody is still at the step before the last, whose tile comes next
    if (step + 1 < task.last_step) fetch(step + 1);
#pragma unroll
    for (int k = 0; k < kInner; ++k) {
      A left[R], right[R];
      load_row(left, a_tile[stage][k], ty);
      load_row(right, b_tile[stage][k], tx);
#pragma unroll
      for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < R; ++j) sum[i][j] += left[i] * right[j];
    }
  }

  constexpr int kWidth = kPack<T> < kGroup ? kPack<T> : kGroup;
#pragma unroll
  for (int i = 0; i < R; ++i)
#pragma unroll
    for (int j = 0; j < R; j += kWidth) store.template put<kWidth>(position<R>(ty, i), position<R>(tx, j), &sum[i][j]);
}

template <typename T>
Operand<T> operand(const void* x, int64_t rows, int64_t K, bool k_runs, int64_t step) {
  const int64_t pitch = k_runs ? K : rows;
  const bool aligned = (pitch | step) % kGroup == 0 && reinterpret_cast<uintptr_t>(x) % (kGroup * sizeof(T)) == 0;
  return {static_cast<const T*>(x), rows, K, pitch, k_runs, aligned};
}

template <typename T, int R>
void launch(const Matmul& p, Stream stream) {
  const MatmulPlan plan = plan_matmul(p, 16 * R, 16 * R, kInner);
  const Workspace<Accumulator<T>> partial(partial_size(p, plan));
  const ExactMatmul<T> body{
      .a = operand<T>(p.a, p.M, p.K, !p.transpose_a, p.a_step),
      .b = operand<T>(p.b, p.N, p.K, p.transpose_b, p.b_step),
      .a_step = p.a_step,
      .b_step = p.b_step,
      .store = matmul_store<T>(p, plan, partial.data()),
      .plan = plan,
  };
  simt::launch(matmul_exact_kernel<T, R>, grid_of(plan.blocks()), dim3(kThreads), 0, stream_of(stream), body);
  sum_matmul_parts<T>(p, plan, partial.data(), stream);
}

}  // namespace

void matmul_exact(const Matmul& p, Stream stream) {
  constexpr int64_t kEnoughLargeTiles = 100;
  visit<float, double, bfloat16>(p.dtype, "matmul", [&]<typename T>() {
    if constexpr (std::is_same_v<T, float>) {
      const MatmulPlan large = plan_matmul(p, 128, 128, kInner);
      if (p.M > 64 && p.N > 64 && large.blocks() >= kEnoughLargeTiles) return launch<T, 8>(p, stream);
    }
    launch<T, 4>(p, stream);
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
