// Group normalisation, Wu & He 2018 (arXiv:1803.08494), over NHWC. One task owns one sample, whose S * C values stay in
// the L2 cache over all passes. In NHWC a group is a slice of every pixel, so the passes keep one sum per channel (the
// compiler runs vectors along C) and fold channels into groups at the end.
#include "kernels/group_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

constexpr int64_t kRun = 64;  // positions that are summed in T before the sum moves on to double

// sums[k][c] = sum over s of f(s, c)[k] for K quantities per channel.
template <int K, typename T, typename F>
void channel_sums(int64_t S, int64_t C, T* partial, double* sums, F f) {
  std::fill(sums, sums + K * C, 0.0);
  for (int64_t s0 = 0; s0 < S; s0 += kRun) {
    std::fill(partial, partial + K * C, T(0));
    for (int64_t s = s0, end = std::min(S, s0 + kRun); s < end; ++s) f(s, partial);
    for (int64_t i = 0; i < K * C; ++i) sums[i] += partial[i];
  }
}

template <typename T>
void forward(const GroupNormForward& p) {
  const int64_t S = p.S, C = p.C, G = p.G, per_group = C / G;
  const T* weight = static_cast<const T*>(p.weight);
  const T* bias = static_cast<const T*>(p.bias);
  parallel_for(p.N, [=](int64_t n) {
    const T* x = static_cast<const T*>(p.x) + n * S * C;  // (S, C)
    T* y = static_cast<T*>(p.y) + n * S * C;              // (S, C)
    T* mean = static_cast<T*>(p.mean) + n * G;            // (G)
    T* rstd = static_cast<T*>(p.rstd) + n * G;            // (G)
    const Scratch<double> sum_buffer(C);
    const Scratch<T> buffer(3 * C);
    double* sums = sum_buffer.get();                                           // (C)
    T *partial = buffer.get(), *scale = partial + C, *shift = partial + 2 * C;  // (C) each
    const double count = static_cast<double>(S * per_group);

    T* centre = shift;  // (C), the group's mean for every channel
    channel_sums<1>(S, C, partial, sums, [=](int64_t s, T* acc) {
      for (int64_t c = 0; c < C; ++c) acc[c] += x[s * C + c];
    });
    for (int64_t g = 0; g < G; ++g) {
      double sum = 0;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) sum += sums[c];
      mean[g] = static_cast<T>(sum / count);
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) centre[c] = mean[g];
    }
    channel_sums<1>(S, C, partial, sums, [=](int64_t s, T* acc) {  // second pass: no cancellation
      for (int64_t c = 0; c < C; ++c) {
        const T d = x[s * C + c] - centre[c];
        acc[c] += d * d;
      }
    });
    for (int64_t g = 0; g < G; ++g) {
      double square = 0;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) square += sums[c];
      rstd[g] = static_cast<T>(1 / std::sqrt(square / count + p.eps));
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        scale[c] = rstd[g] * weight[c];
        shift[c] = bias[c] - mean[g] * scale[c];
      }
    }
    if (p.activation == Activation::silu) {
      for (int64_t s = 0; s < S; ++s)
        for (int64_t c = 0; c < C; ++c) y[s * C + c] = silu_of(x[s * C + c] * scale[c] + shift[c]);
    } else {
      for (int64_t s = 0; s < S; ++s)
        for (int64_t c = 0; c < C; ++c) y[s * C + c] = x[s * C + c] * scale[c] + shift[c];
    }
  });
}

// With z = xhat * weight + bias and dz = dy * activation'(z), g = dz * weight, both averages over one group:
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  dweight = sum dz * xhat,  dbias = sum dz
template <typename T>
void backward(const GroupNormBackward& p) {
  const int64_t N = p.N, S = p.S, C = p.C, G = p.G, per_group = C / G;
  const T* weight = static_cast<const T*>(p.weight);
  const T* bias = static_cast<const T*>(p.bias);
  const bool silu = p.activation == Activation::silu;
  const Scratch<double> per_sample(N * 2 * C);  // for each sample, per channel: sum dz, sum dz * xhat
  double* all_sums = per_sample.get();

  parallel_for(N, [=](int64_t n) {
    const T* x = static_cast<const T*>(p.x) + n * S * C;        // (S, C)
    const T* dy = static_cast<const T*>(p.dy) + n * S * C;      // (S, C)
    const T* mean = static_cast<const T*>(p.mean) + n * G;      // (G)
    const T* rstd = static_cast<const T*>(p.rstd) + n * G;      // (G)
    T* dx = p.dx ? static_cast<T*>(p.dx) + n * S * C : nullptr;  // (S, C)
    double* sums = all_sums + n * 2 * C;                        // (2, C)
    const Scratch<T> buffer(7 * C);
    T *a = buffer.get(), *b = a + C, *u = b + C, *v = u + C, *w = v + C;  // (C) each
    T* partial = w + C;                                                   // (2, C)
    for (int64_t c = 0; c < C; ++c) {  // xhat = a x + b
      a[c] = rstd[c / per_group];
      b[c] = -mean[c / per_group] * a[c];
    }
    channel_sums<2>(S, C, partial, sums, [=](int64_t s, T* acc) {
      T *sum_dz = acc, *sum_dz_xhat = acc + C;
      if (silu) {
        for (int64_t c = 0; c < C; ++c) {
          const T xhat = a[c] * x[s * C + c] + b[c];
          const T dz = dy[s * C + c] * silu_derivative(xhat * weight[c] + bias[c]);
          if (dx) dx[s * C + c] = dz;  // the last pass takes it from here
          sum_dz[c] += dz;
          sum_dz_xhat[c] += dz * xhat;
        }
      } else {
        for (int64_t c = 0; c < C; ++c) {
          const T dz = dy[s * C + c];
          sum_dz[c] += dz;
          sum_dz_xhat[c] += dz * (a[c] * x[s * C + c] + b[c]);
        }
      }
    });
    if (!dx) return;
    for (int64_t g = 0; g < G; ++g) {  // dx = u dz + v x + w
      double mean_g = 0, mean_gx = 0;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        mean_g += weight[c] * sums[c];
        mean_gx += weight[c] * sums[C + c];
      }
      const double count = static_cast<double>(S * per_group);
      mean_g /= count;
      mean_gx /= count;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        u[c] = rstd[g] * weight[c];
        v[c] = static_cast<T>(-rstd[g] * mean_gx * a[c]);
        w[c] = static_cast<T>(-rstd[g] * (mean_g + mean_gx * b[c]));
      }
    }
    const T* dz = silu ? dx : dy;
    for (int64_t s = 0; s < S; ++s)
      for (int64_t c = 0; c < C; ++c) dx[s * C + c] = u[c] * dz[s * C + c] + v[c] * x[s * C + c] + w[c];
  });

  T* dweight = static_cast<T*>(p.dweight);  // (C)
  T* dbias = static_cast<T*>(p.dbias);      // (C)
  for (int64_t c = 0; c < C; ++c) {
    double sum_dz = 0, sum_dz_xhat = 0;
    for (int64_t n = 0; n < N; ++n) {
      sum_dz += all_sums[n * 2 * C + c];
      sum_dz_xhat += all_sums[n * 2 * C + C + c];
    }
    if (dweight) dweight[c] = static_cast<T>(sum_dz_xhat);
    if (dbias) dbias[c] = static_cast<T>(sum_dz);
  }
}

}  // namespace

void group_norm_forward(const GroupNormForward& p, Stream) {
  visit<float, double>(p.dtype, "group_norm", [&]<typename T>() { forward<T>(p); });
}

void group_norm_backward(const GroupNormBackward& p, Stream) {
  visit<float, double>(p.dtype, "group_norm", [&]<typename T>() { backward<T>(p); });
}

}  // namespace imago::kernels::IMAGO_BACKEND
