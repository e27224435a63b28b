// Attention: a task owns some queries of one head of one sample, and takes them a block at a time:
// the block's scores against all keys lie in the L2 cache, so that the softmax is exact and in one
// piece. In NHWC a head is a slice of every row, d = C / heads channels wide; only the keys (and in
// backward the values) are copied, to be transposed.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_product.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kScores = 1 << 15;  // of a block: 128 KiB in f32, and backward has two of them
constexpr int64_t kLargestBlock = 64;
constexpr int64_t kEnoughTasks = 16;

// How the T queries of each head are dealt out. Depends on the shapes only.
struct Plan {
  int64_t width;    // S rounded up to whole tiles
  int64_t pitch;    // elements from one row of scores to the next
  int64_t block;    // queries whose scores are in memory at once
  int64_t queries;  // per task
  int64_t parts;    // tasks per head
};

Plan pick_plan(int64_t heads, int64_t T, int64_t S) {
  const int64_t width = (S + 31) / 32 * 32;
  const int64_t pitch = width + 16;  // a power of two would put a column into one cache set
  const int64_t block = std::clamp<int64_t>(kScores / width / 8 * 8, 8, kLargestBlock);
  const int64_t blocks = (T + block - 1) / block;
  const int64_t wanted = std::clamp<int64_t>((kEnoughTasks + heads - 1) / heads, 1, blocks);
  const int64_t queries = (blocks + wanted - 1) / wanted * block;
  return {width, pitch, block, queries, (T + queries - 1) / queries};
}

// xt (d, pitch) = the transpose of x (S, d; rows C apart), zeros behind S.
template <typename T>
void transpose(int64_t S, int64_t d, const T* x, int64_t C, T* xt, int64_t pitch) {
  constexpr int64_t kBlock = 16;
  for (int64_t s0 = 0; s0 < S; s0 += kBlock)
    for (int64_t j = 0; j < d; ++j)
      for (int64_t s = s0, end = std::min(S, s0 + kBlock); s < end; ++s)
        xt[j * pitch + s] = x[s * C + j];
  for (int64_t j = 0; j < d; ++j) std::fill(xt + j * pitch + S, xt + (j + 1) * pitch, T(0));
}

// One head of one sample.
template <typename T>
struct HeadForward {
  const T *q, *v;  // (T, d)  (S, d), rows C apart
  const T* kt;     // (d, pitch)
  T *y, *lse;      // (T, d), rows C apart  (T)
  int64_t S, d, C, width, pitch;
};

// y = softmax(q k^T / sqrt(d)) v for `rows` queries from t on. Each step is taken for all rows
// before the next one: rows do not wait for each other, the steps of one row do.
template <typename T>
void forward_block(const HeadForward<T>& h, int64_t t, int64_t rows, T* scores) {
  const int64_t S = h.S, d = h.d, C = h.C, pitch = h.pitch;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(d)));
  T largest[kLargestBlock], factor[kLargestBlock];
  multiply<T>({rows, h.width, d, h.q + t * C, C, 1, h.kt, pitch, scores, pitch});
  for (int64_t i = 0; i < rows; ++i) largest[i] = row_max(S, scores + i * pitch);
  for (int64_t i = 0; i < rows; ++i) {
    T* p = scores + i * pitch;  // (S)
    for (int64_t s = 0; s < S; ++s) p[s] = exp_of((p[s] - largest[i]) * scale);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const T* p = scores + i * pitch;  // (S)
    const T sum = static_cast<T>(row_sum<T>(S, [=](auto at) { return at(p); }));
    h.lse[t + i] = largest[i] * scale + std::log(sum);
    factor[i] = 1 / sum;
  }
  T* y = h.y + t * C;
  multiply<T>({rows, d, S, scores, pitch, 1, h.v, C, y, C});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < d; ++j) y[i * C + j] *= factor[i];
}

// The first element that head `head` of all N * H owns in x (N, L, C); null if x is.
template <typename T>
T* head_of(T* x, int64_t head, int64_t L, int64_t C, int64_t H) {
  return x ? x + head / H * L * C + head % H * (C / H) : nullptr;
}

template <typename T>
void forward(const AttentionForward& p) {
  const int64_t S = p.S, C = p.C, H = p.heads, d = C / H;
  const Plan plan = pick_plan(p.N * H, p.T, S);
  parallel_for(p.N * H * plan.parts, [&](int64_t task) {
    const int64_t part = task % plan.parts, head = task / plan.parts;
    const Scratch<T> kt(d * plan.pitch), scores(plan.block * plan.pitch);
    transpose(S, d, head_of(static_cast<const T*>(p.k), head, S, C, H), C, kt.get(), plan.pitch);
    const HeadForward<T> h{
        .q = head_of(static_cast<const T*>(p.q), head, p.T, C, H),
        .v = head_of(static_cast<const T*>(p.v), head, S, C, H),
        .kt = kt.get(),
        .y = head_of(static_cast<T*>(p.y), head, p.T, C, H),
        .lse = static_cast<T*>(p.lse) + head * p.T,
        .S = S,
        .d = d,
        .C = C,
        .width = plan.width,
        .pitch = plan.pitch,
    };
    for (int64_t t = part * plan.queries, end = std::min(p.T, t + plan.queries); t < end;
         t += plan.block)
      forward_block(h, t, std::min(plan.block, end - t), scores.get());
  });
}

// The same for backward. Rows of dk and dv are `row` apart.
template <typename T>
struct HeadBackward {
  const T *dy, *q, *k, *v, *lse;  // (T, d)  (T, d)  (S, d)  (S, d), rows C apart  (T)
  const T *kt, *vt;               // (d, pitch)
  T *dq, *dk, *dv;                // (T, d), rows C apart  (S, d)  (S, d); null where not wanted
  int64_t S, d, C, width, pitch, row;
};

// With p = softmax(score), dp = dy v^T and score = q k^T / sqrt(d):
//   dv = p^T dy,  ds = p * (dp - sum_s p dp) / sqrt(d),  dq = ds k,  dk = ds^T q
template <typename T>
void backward_block(const HeadBackward<T>& h, int64_t t, int64_t rows, bool first, T* p, T* dp) {
  const int64_t S = h.S, d = h.d, C = h.C, pitch = h.pitch;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(d)));
  const T *q = h.q + t * C, *dy = h.dy + t * C;
  multiply<T>({rows, h.width, d, q, C, 1, h.kt, pitch, p, pitch});
  multiply<T>({rows, h.width, d, dy, C, 1, h.vt, pitch, dp, pitch});
  for (int64_t i = 0; i < rows; ++i) {
    T* pi = p + i * pitch;  // (S)
    const T lse = h.lse[t + i];
    for (int64_t s = 0; s < S; ++s) pi[s] = exp_of(pi[s] * scale - lse);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const T* pi = p + i * pitch;  // (S)
    T* di = dp + i * pitch;       // (S)
    const T sum = static_cast<T>(row_sum<T>(S, [=](auto at) { return at(pi) * at(di); }));
    for (int64_t s = 0; s < S; ++s) di[s] = pi[s] * (di[s] - sum) * scale;
  }
  if (h.dq) multiply<T>({rows, d, S, dp, pitch, 1, h.k, C, h.dq + t * C, C});
  if (h.dk) multiply<T>({S, d, rows, dp, 1, pitch, q, C, h.dk, h.row, !first});
  if (h.dv) multiply<T>({S, d, rows, p, 1, pitch, dy, C, h.dv, h.row, !first});
}

// dx (S, d; rows C apart) = the sum of the parts (parts, S, d), in order.
template <typename T>
void add_parts(int64_t parts, int64_t S, int64_t d, const T* part, T* dx, int64_t C) {
  for (int64_t s = 0; s < S; ++s)
    for (int64_t j = 0; j < d; ++j) {
      T sum = 0;
      for (int64_t i = 0; i < parts; ++i) sum += part[(i * S + s) * d + j];
      dx[s * C + j] = sum;
    }
}

template <typename T>
void backward(const AttentionBackward& p) {
  const int64_t S = p.S, C = p.C, H = p.heads, d = C / H, heads = p.N * H;
  const Plan plan = pick_plan(heads, p.T, S);
  // Where several tasks share a head, each has its own dk and dv, added up at the end.
  const bool shared = plan.parts > 1;
  const int64_t part_size = S * d, tasks = heads * plan.parts;
  const Scratch<T> dk_parts(shared && p.dk ? tasks * part_size : 0);
  const Scratch<T> dv_parts(shared && p.dv ? tasks * part_size : 0);
  T *dk = static_cast<T*>(p.dk), *dv = static_cast<T*>(p.dv);

  parallel_for(tasks, [&](int64_t task) {
    const int64_t part = task % plan.parts, head = task / plan.parts;
    const Scratch<T> kt(d * plan.pitch), vt(d * plan.pitch), scores(2 * plan.block * plan.pitch);
    const HeadBackward<T> h{
        .dy = head_of(static_cast<const T*>(p.dy), head, p.T, C, H),
        .q = head_of(static_cast<const T*>(p.q), head, p.T, C, H),
        .k = head_of(static_cast<const T*>(p.k), head, S, C, H),
        .v = head_of(static_cast<const T*>(p.v), head, S, C, H),
        .lse = static_cast<const T*>(p.lse) + head * p.T,
        .kt = kt.get(),
        .vt = vt.get(),
        .dq = head_of(static_cast<T*>(p.dq), head, p.T, C, H),
        .dk = shared && dk ? dk_parts.get() + task * part_size : head_of(dk, head, S, C, H),
        .dv = shared && dv ? dv_parts.get() + task * part_size : head_of(dv, head, S, C, H),
        .S = S,
        .d = d,
        .C = C,
        .width = plan.width,
        .pitch = plan.pitch,
        .row = shared ? d : C,
    };
    transpose(S, d, h.k, C, kt.get(), plan.pitch);
    transpose(S, d, h.v, C, vt.get(), plan.pitch);
    const int64_t begin = part * plan.queries, end = std::min(p.T, begin + plan.queries);
    for (int64_t t = begin; t < end; t += plan.block)
      backward_block(h, t, std::min(plan.block, end - t), t == begin, scores.get(),
                     scores.get() + plan.block * plan.pitch);
  });
  if (!shared) return;

  parallel_for(heads, [&](int64_t head) {
    const int64_t first = head * plan.parts * part_size;
    if (dk) add_parts(plan.parts, S, d, dk_parts.get() + first, head_of(dk, head, S, C, H), C);
    if (dv) add_parts(plan.parts, S, d, dv_parts.get() + first, head_of(dv, head, S, C, H), C);
  });
}

}  // namespace

void attention_forward(const AttentionForward& p, Stream) {
  visit<float, double>(p.dtype, "attention", [&]<typename T>() { forward<T>(p); });
}

void attention_backward(const AttentionBackward& p, Stream) {
  visit<float, double>(p.dtype, "attention", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
