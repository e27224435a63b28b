// Sums over the middle axis of (A, R, C). R is cut into chunks by shape alone; each chunk leaves C partial sums in
// double, and a second pass adds the chunks in order, so the number of threads does not show.
#include "kernels/sum.h"

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sums.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements of one task
constexpr int64_t kColumns = 512;    // columns that are summed side by side
constexpr int64_t kRun = 64;         // rows that are summed in T before the sum moves on to double

// sums[c] = sum over r < R of x[r, c] for c < columns <= kColumns; rows are C apart.
template <typename T>
void column_sums(const T* x, int64_t R, int64_t C, int64_t columns, double* sums) {
  if (C == 1) {
    *sums = sum_of<T>(R, [=]<typename V>(int64_t i) { return load_as<V>(x + i); });
    return;
  }
  T partial[kColumns];
  for (int64_t c = 0; c < columns; ++c) sums[c] = 0;
  for (int64_t r0 = 0; r0 < R; r0 += kRun) {
    for (int64_t c = 0; c < columns; ++c) partial[c] = T(0);
    for (int64_t r = r0, end = std::min(R, r0 + kRun); r < end; ++r)
      for (int64_t c = 0; c < columns; ++c) partial[c] += x[r * C + c];
    for (int64_t c = 0; c < columns; ++c) sums[c] += partial[c];
  }
}

template <typename T>
void forward(const SumForward& p) {
  const int64_t A = p.A, R = p.R, C = p.C;
  const int64_t blocks = (C + kColumns - 1) / kColumns, rows = kGrain / std::min(C, kColumns);
  const int64_t chunks = std::max<int64_t>(1, (R + rows - 1) / rows);
  const int64_t work = std::max<int64_t>(1, std::min(R, rows) * std::min(C, kColumns));  // of one (a, chunk, block)
  const Scratch<double> buffer(A * chunks * C);
  double* partial = buffer.get();  // (A, chunks, C)
  parallel_chunks(A * chunks * blocks, (kGrain + work - 1) / work, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t a = i / blocks / chunks, chunk = i / blocks % chunks, c0 = i % blocks * kColumns;
      const int64_t r0 = chunk * rows;
      const T* x = static_cast<const T*>(p.x) + (a * R + r0) * C + c0;
      column_sums(x, std::min(rows, R - r0), C, std::min(kColumns, C - c0), partial + (a * chunks + chunk) * C + c0);
    }
  });
  parallel_chunks(A * C, kGrain, [=](int64_t begin, int64_t end) {
    T* y = static_cast<T*>(p.y);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t a = i / C, c = i % C;
      double total = 0;
      for (int64_t k = 0; k < chunks; ++k) total += partial[(a * chunks + k) * C + c];
      y[i] = static_cast<T>(p.factor * total);
    }
  });
}

template <typename T>
void backward(const SumBackward& p) {
  const int64_t R = p.R, C = p.C;
  const T factor = static_cast<T>(p.factor);
  parallel_chunks(p.A * R * C, kGrain, [=](int64_t begin, int64_t end) {
    const T* dy = static_cast<const T*>(p.dy);
    T* dx = static_cast<T*>(p.dx);
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / C, c = i - row * C, a = row / R;
      const int64_t count = std::min((C == 1 ? (a + 1) * R : (row + 1) * C) - i, end - i);
      const T* from = dy + a * C + c;
      if (C == 1) {
        for (int64_t k = 0; k < count; ++k) dx[i + k] = factor * *from;
      } else {
        for (int64_t k = 0; k < count; ++k) dx[i + k] = factor * from[k];
      }
      i += count;
    }
  });
}

}  // namespace

void sum_forward(const SumForward& p, Stream) {
  visit<float, double>(p.dtype, "sum", [&]<typename T>() { forward<T>(p); });
}

void sum_backward(const SumBackward& p, Stream) {
  visit<float, double>(p.dtype, "sum", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
