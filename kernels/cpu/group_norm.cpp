// Group normalisation, Wu & He 2018 (arXiv:1803.08494), over NHWC. In NHWC a group is a slice of
// every pixel, so sums are kept per channel (vectors run along C) and folded into groups at the
// end. A task owns one sample, whose values stay in the L2 cache over all passes; only where
// samples are few and large, they are split into parts.
#include "kernels/group_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/channel_sums.h"
#include "kernels/math.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

// The positions [part * rows, (part + 1) * rows) of a sample. Depends on the shapes only.
struct Plan {
  int64_t parts, rows;
};

Plan pick_plan(int64_t N, int64_t S, int64_t C) {
  constexpr int64_t kEnoughTasks = 16, kSmallestPart = 1 << 15;
  const int64_t parts =
      std::max<int64_t>(1, std::min((kEnoughTasks + N - 1) / N, S * C / kSmallestPart));
  const int64_t rows = (S + parts - 1) / parts;
  return {(S + rows - 1) / rows, rows};
}

// For each sample: pass.first(n, part) for all parts, then pass.fold(n), then pass.last(n, part)
// for all parts.
template <typename Pass>
void run(int64_t N, int64_t parts, const Pass& pass) {
  if (parts == 1) {
    parallel_for(N, [&](int64_t n) { pass.first(n, 0), pass.fold(n), pass.last(n, 0); });
  } else {
    parallel_for(N * parts, [&](int64_t i) { pass.first(i / parts, i % parts); });
    parallel_for(N, [&](int64_t n) { pass.fold(n); });
    parallel_for(N * parts, [&](int64_t i) { pass.last(i / parts, i % parts); });
  }
}

template <typename T>
struct Forward {
  const GroupNormForward& p;
  const Plan plan = pick_plan(p.N, p.S, p.C);
  const int64_t S = p.S, C = p.C, G = p.G, per_group = C / G;
  // (N, parts, 2, C): each part's mean and sum of squared distances from it
  const Scratch<double> moments{p.N * plan.parts * 2 * C};
  const Scratch<T> affine{p.N * 2 * C};  // (N, 2, C): y = activation(scale * x + shift)

  int64_t begin(int64_t part) const { return part * plan.rows; }
  int64_t end(int64_t part) const { return std::min(S, begin(part) + plan.rows); }
  double* moments_of(int64_t n, int64_t part) const {
    return moments.get() + (n * plan.parts + part) * 2 * C;
  }

  void first(int64_t n, int64_t part) const {
    const T* x = static_cast<const T*>(p.x) + n * S * C;      // (S, C)
    double *mean = moments_of(n, part), *squares = mean + C;  // (C)  (C)
    const Scratch<T> buffer(C);
    T* centre = buffer.get();  // (C)
    channel_sums<1, T>(begin(part), end(part), C, mean,
                       [=](auto at, auto* sum) { sum[0] += at.row(x); });
    for (int64_t c = 0; c < C; ++c)
      centre[c] = static_cast<T>(mean[c] /= static_cast<double>(end(part) - begin(part)));
    // A second pass: the distances are small where the values are not.
    channel_sums<1, T>(begin(part), end(part), C, squares, [=](auto at, auto* sum) {
      const auto d = at.row(x) - at.channel(centre);
      sum[0] += d * d;
    });
  }

  // Squared distances from the group's mean are those from a part's own mean, and those between the
  // means.
  void fold(int64_t n) const {
    const double count = static_cast<double>(S * per_group);
    for (int64_t g = 0; g < G; ++g) {
      // The sum of term(rows, mean, squares) over the group's parts and channels.
      const auto over_group = [&](auto term) {
        double sum = 0;
        for (int64_t part = 0; part < plan.parts; ++part) {
          const double rows = static_cast<double>(end(part) - begin(part));
          const double *mean = moments_of(n, part), *squares = mean + C;
          for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c)
            sum += term(rows, mean[c], squares[c]);
        }
        return sum;
      };
      const double mean =
          over_group([](double rows, double m, double) { return rows * m; }) / count;
      const double square = over_group(
          [=](double rows, double m, double q) { return q + rows * (m - mean) * (m - mean); });
      const double rstd = 1 / std::sqrt(square / count + p.eps);
      static_cast<T*>(p.mean)[n * G + g] = static_cast<T>(mean);
      static_cast<T*>(p.rstd)[n * G + g] = static_cast<T>(rstd);
      T *scale = affine.get() + n * 2 * C, *shift = scale + C;  // (C)  (C)
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        scale[c] = static_cast<T>(rstd * static_cast<const T*>(p.weight)[c]);
        shift[c] = static_cast<T>(static_cast<const T*>(p.bias)[c] - mean * scale[c]);
      }
    }
  }

  void last(int64_t n, int64_t part) const {
    const T *scale = affine.get() + n * 2 * C, *shift = scale + C;  // (C)  (C)
    for (int64_t s = n * S + begin(part); s < n * S + end(part); ++s) {
      const T* __restrict x = static_cast<const T*>(p.x) + s * C;  // (C)
      T* __restrict y = static_cast<T*>(p.y) + s * C;              // (C)
      if (p.activation == Activation::silu)
        for (int64_t c = 0; c < C; ++c) y[c] = silu_of(x[c] * scale[c] + shift[c]);
      else
        for (int64_t c = 0; c < C; ++c) y[c] = x[c] * scale[c] + shift[c];
    }
  }
};

// With z = xhat * weight + bias and dz = dy * activation'(z), g = dz * weight, both averages over
// one group:
//   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)),  dweight = sum dz * xhat,  dbias = sum dz
template <typename T>
struct Backward {
  const GroupNormBackward& p;
  const Plan plan = pick_plan(p.N, p.S, p.C);
  const int64_t S = p.S, C = p.C, G = p.G, per_group = C / G;
  const bool silu = p.activation == Activation::silu;
  const Scratch<double> sums{p.N * plan.parts * 2 * C};  // (N, parts, 2, C): sum dz, sum dz * xhat
  const Scratch<T> coefficients{p.N * 3 * C};            // (N, 3, C): dx = u dz + v x + w
  const Scratch<T> spare_dz{silu && !p.dx ? p.N * S * C : 0};  // where there is no dx to hold dz

  int64_t begin(int64_t part) const { return part * plan.rows; }
  int64_t end(int64_t part) const { return std::min(S, begin(part) + plan.rows); }
  double* sums_of(int64_t n, int64_t part) const {
    return sums.get() + (n * plan.parts + part) * 2 * C;
  }
  const T* x_of(int64_t n) const { return static_cast<const T*>(p.x) + n * S * C; }    // (S, C)
  const T* dy_of(int64_t n) const { return static_cast<const T*>(p.dy) + n * S * C; }  // (S, C)
  T* silu_dz_of(int64_t n) const {
    return (p.dx ? static_cast<T*>(p.dx) : spare_dz.get()) + n * S * C;
  }
  const T* dz_of(int64_t n) const { return silu ? silu_dz_of(n) : dy_of(n); }  // (S, C)

  void first(int64_t n, int64_t part) const {
    const T* mean = static_cast<const T*>(p.mean) + n * G;  // (G)
    const T* rstd = static_cast<const T*>(p.rstd) + n * G;  // (G)
    const T* weight = static_cast<const T*>(p.weight);      // (C)
    const T* bias = static_cast<const T*>(p.bias);          // (C)
    const Scratch<T> buffer(4 * C);
    T *a = buffer.get(), *b = a + C, *scale = b + C, *shift = scale + C;  // (C) each
    for (int64_t c = 0; c < C; ++c) {  // xhat = a x + b, z = scale x + shift
      a[c] = rstd[c / per_group];
      b[c] = -mean[c / per_group] * a[c];
      scale[c] = a[c] * weight[c];
      shift[c] = b[c] * weight[c] + bias[c];
    }
    if (silu)
      for (int64_t s = begin(part); s < end(part); ++s) {
        const T* __restrict x = x_of(n) + s * C;    // (C)
        const T* __restrict dy = dy_of(n) + s * C;  // (C)
        T* __restrict dz = silu_dz_of(n) + s * C;   // (C)
        for (int64_t c = 0; c < C; ++c) dz[c] = dy[c] * silu_derivative(x[c] * scale[c] + shift[c]);
      }
    channel_sums<2, T>(begin(part), end(part), C, sums_of(n, part),
                       [=, x = x_of(n), dz = dz_of(n)](auto at, auto* sum) {
                         const auto dz_at = at.row(dz);
                         sum[0] += dz_at;
                         sum[1] += dz_at * (at.row(x) * at.channel(a) + at.channel(b));
                       });
  }

  void fold(int64_t n) const {
    double* total = sums_of(n, 0);  // (2, C), the parts' sums, in order
    for (int64_t part = 1; part < plan.parts; ++part)
      for (int64_t i = 0; i < 2 * C; ++i) total[i] += sums_of(n, part)[i];
    T *u = coefficients.get() + n * 3 * C, *v = u + C, *w = v + C;  // (C) each
    const T* weight = static_cast<const T*>(p.weight);
    for (int64_t g = 0; g < G; ++g) {
      const double mean = static_cast<const T*>(p.mean)[n * G + g];
      const double rstd = static_cast<const T*>(p.rstd)[n * G + g];
      double mean_g = 0, mean_gx = 0;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        mean_g += weight[c] * total[c];
        mean_gx += weight[c] * total[C + c];
      }
      mean_g /= static_cast<double>(S * per_group);
      mean_gx /= static_cast<double>(S * per_group);
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        u[c] = static_cast<T>(rstd * weight[c]);
        v[c] = static_cast<T>(-rstd * rstd * mean_gx);
        w[c] = static_cast<T>(-rstd * (mean_g - mean_gx * mean * rstd));
      }
    }
  }

  void last(int64_t n, int64_t part) const {
    if (!p.dx) return;
    const T *u = coefficients.get() + n * 3 * C, *v = u + C, *w = v + C;  // (C) each
    for (int64_t s = begin(part); s < end(part); ++s) {
      const T* x = x_of(n) + s * C;                     // (C)
      const T* dz = dz_of(n) + s * C;                   // (C)
      T* dx = static_cast<T*>(p.dx) + (n * S + s) * C;  // (C), may be dz
      for (int64_t c = 0; c < C; ++c) dx[c] = u[c] * dz[c] + v[c] * x[c] + w[c];
    }
  }

  void weight_gradients() const {
    for (int64_t c = 0; c < C; ++c) {
      double sum_dz = 0, sum_dz_xhat = 0;
      for (int64_t n = 0; n < p.N; ++n) {
        sum_dz += sums_of(n, 0)[c];
        sum_dz_xhat += sums_of(n, 0)[C + c];
      }
      if (p.dweight) static_cast<T*>(p.dweight)[c] = static_cast<T>(sum_dz_xhat);
      if (p.dbias) static_cast<T*>(p.dbias)[c] = static_cast<T>(sum_dz);
    }
  }
};

}  // namespace

void group_norm_forward(const GroupNormForward& p, Stream) {
  visit<float, double>(p.dtype, "group_norm", [&]<typename T>() {
    const Forward<T> pass{p};
    run(p.N, pass.plan.parts, pass);
  });
}

void group_norm_backward(const GroupNormBackward& p, Stream) {
  visit<float, double>(p.dtype, "group_norm", [&]<typename T>() {
    const Backward<T> pass{p};
    run(p.N, pass.plan.parts, pass);
    pass.weight_gradients();
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
