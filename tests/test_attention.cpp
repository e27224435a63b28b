#include "core/parallel.h"
#include "kernels/attention.h"
#include "kernels/softmax.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  int64_t N, T, S, C, heads;
};
const Case kCases[] = {{1, 1, 1, 1, 1},    {2, 3, 5, 6, 3},    {2, 7, 7, 8, 8},
                       {1, 31, 33, 32, 4}, {1, 32, 31, 34, 2}, {2, 49, 49, 24, 3}};
const Case kLongCase = {1, 300, 333, 17, 1};  // several blocks of queries, several tasks per head

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads) {
  return kernels::attention(q, k, v, heads).y;
}

// The definition, one head after the other.
Tensor definition(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads) {
  const int64_t N = q.dim(0), T = q.dim(1), S = k.dim(1), C = q.dim(2), d = C / heads;
  Tensor y = Tensor::zeros_like(q);
  const double *Q = q.data<double>(), *K = k.data<double>(), *V = v.data<double>();
  for (int64_t n = 0; n < N; ++n)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < T; ++t) {
        Tensor scores = Tensor::zeros({S}, DType::f64);
        for (int64_t s = 0; s < S; ++s)
          for (int64_t j = h * d; j < (h + 1) * d; ++j)
            scores.data<double>()[s] +=
                Q[(n * T + t) * C + j] * K[(n * S + s) * C + j] / std::sqrt(static_cast<double>(d));
        const Tensor p = kernels::softmax(scores);
        for (int64_t s = 0; s < S; ++s)
          for (int64_t j = h * d; j < (h + 1) * d; ++j)
            y.data<double>()[(n * T + t) * C + j] += p.data<double>()[s] * V[(n * S + s) * C + j];
      }
  return y;
}

}  // namespace

TEST_CASE("attention is softmax(q k^T / sqrt(d)) v", "[attention]") {
  for (const auto& [N, T, S, C, heads] : kCases) {
    CAPTURE(N, T, S, C, heads);
    const Tensor q = randn({N, T, C}, DType::f64, 1), k = randn({N, S, C}, DType::f64, 2),
                 v = randn({N, S, C}, DType::f64, 3);
    CHECK(difference(attend(q, k, v, heads), definition(q, k, v, heads)) < tolerance(DType::f64));
  }
}

TEST_CASE("attention gradients match finite differences", "[attention][gradient]") {
  const auto check = [](const Case& c) {
    CAPTURE(c.N, c.T, c.S, c.C, c.heads);
    const auto f = [=](const std::vector<Variable>& v) {
      return attention(v[0], v[1], v[2], c.heads);
    };
    CHECK(gradient_error(f, {randn({c.N, c.T, c.C}), randn({c.N, c.S, c.C}, DType::f64, 2),
                             randn({c.N, c.S, c.C}, DType::f64, 3)}) < kGradientTolerance);
  };
  for (const Case& c : kCases) check(c);
  check(kLongCase);
}

TEST_CASE("attention in f32 agrees with f64", "[attention][agreement]") {
  const auto check = [](const Case& c) {
    CAPTURE(c.N, c.T, c.S, c.C, c.heads);
    const Tensor q = randn({c.N, c.T, c.C}, DType::f32, 1),
                 k = randn({c.N, c.S, c.C}, DType::f32, 2);
    const Tensor v = randn({c.N, c.S, c.C}, DType::f32, 3), dy = randn(q.shape(), DType::f32, 4);
    const Tensor q64 = q.to(DType::f64), k64 = k.to(DType::f64), v64 = v.to(DType::f64);
    const auto [y, lse] = kernels::attention(q, k, v, c.heads);
    const auto [y64, lse64] = kernels::attention(q64, k64, v64, c.heads);
    CHECK(difference(y, y64) < tolerance(DType::f32));
    CHECK(difference(lse, lse64) < tolerance(DType::f32));
    const auto narrow = kernels::attention_backward(dy, q, k, v, lse, 7);
    const auto wide = kernels::attention_backward(dy.to(DType::f64), q64, k64, v64, lse64, 7);
    CHECK(difference(narrow.dq, wide.dq) < tolerance(DType::f32));
    CHECK(difference(narrow.dk, wide.dk) < tolerance(DType::f32));
    CHECK(difference(narrow.dv, wide.dv) < tolerance(DType::f32));
  };
  for (const Case& c : kCases) check(c);
  check(kLongCase);
}

TEST_CASE("attention agrees with the CPU in double", "[attention][device]") {
  const Case more[] = {{2, 65, 67, 32, 4},  {1, 70, 33, 64, 2},   {1, 130, 65, 64, 1}, {1, 33, 70, 288, 2},
                       {1, 20, 30, 100, 1}, {1, 64, 64, 192, 24}, {1, 5, 129, 520, 1}};
  const auto check = [](const Case& c, DType dtype) {
    CAPTURE(c.N, c.T, c.S, c.C, c.heads, dtype);
    const auto f = [&](const std::vector<Variable>& v) { return attention(v[0], v[1], v[2], c.heads); };
    CHECK(disagreement(f, {randn({c.N, c.T, c.C}), randn({c.N, c.S, c.C}, DType::f64, 2),
                           randn({c.N, c.S, c.C}, DType::f64, 3)}, dtype) < tolerance(dtype));
  };
  for (const DType dtype : device_types()) {
    for (const Case& c : kCases) check(c, dtype);
    for (const Case& c : more) check(c, dtype);
    check(kLongCase, dtype);
  }
}

TEST_CASE("attention survives large scores", "[attention]") {
  Tensor q = Tensor::full({1, 2, 1}, 100), k = Tensor::from<float>({100, -100, 100}, {1, 3, 1});
  const Tensor v = Tensor::from<float>({1, 5, 3}, {1, 3, 1});
  CHECK(difference(attend(q, k, v, 1), Tensor::full({1, 2, 1}, 2)) < 1e-6);
}

TEST_CASE("attention gives the same bits on any number of threads", "[attention][threads]") {
  const Tensor x = randn({1, 400, 16}, DType::f32), dy = randn({1, 400, 16}, DType::f32, 2);
  const int before = thread_count();
  const auto run = [&] {
    const auto [y, lse] = kernels::attention(x, x, x, 2);
    const auto g = kernels::attention_backward(dy, x, x, x, lse, 7);
    return std::vector<Tensor>{y, g.dq, g.dk, g.dv};
  };
  const std::vector<Tensor> reference = run();
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    const std::vector<Tensor> again = run();
    for (size_t i = 0; i < 4; ++i) CHECK(difference(again[i], reference[i]) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("attention takes empty batches and skips gradients nobody wants", "[attention]") {
  for (const auto& [N, T] : {std::pair{0, 3}, {2, 0}}) {
    const Tensor q({N, T, 4}), kv({N, 5, 4});
    const auto [y, lse] = kernels::attention(q, kv, kv, 2);
    const auto g = kernels::attention_backward(q, q, kv, kv, lse, 7);
    CHECK(g.dq.shape() == q.shape());
    CHECK(difference(g.dk, Tensor::zeros_like(kv)) == 0);
    CHECK(difference(g.dv, Tensor::zeros_like(kv)) == 0);
  }
  const Tensor q = randn({2, 3, 4}), kv = randn({2, 5, 4}), dy = randn({2, 3, 4}, DType::f64, 1);
  const Tensor lse = kernels::attention(q, kv, kv, 2).lse;
  const auto all = kernels::attention_backward(dy, q, kv, kv, lse, 7);
  for (const uint32_t want : {1u, 2u, 4u}) {
    const auto g = kernels::attention_backward(dy, q, kv, kv, lse, want);
    CHECK(g.dq.defined() == (want == 1));
    CHECK(g.dk.defined() == (want == 2));
    CHECK(g.dv.defined() == (want == 4));
    if (g.dq.defined()) CHECK(difference(g.dq, all.dq) == 0);
    if (g.dk.defined()) CHECK(difference(g.dk, all.dk) == 0);
    if (g.dv.defined()) CHECK(difference(g.dv, all.dv) == 0);
  }
}

TEST_CASE("attention names the bad argument", "[attention][errors]") {
  const Tensor q = randn({2, 3, 4}), kv = randn({2, 5, 4});
  CHECK_THROWS_WITH(attend(randn({3, 4}), kv, kv, 2), "attention: q must be (N, T, C), got (3, 4)");
  CHECK_THROWS_WITH(attend(q, kv, kv, 3), "attention: 4 channels do not split into 3 heads");
  CHECK_THROWS_WITH(attend(q, randn({2, 5, 6}), kv, 2),
                    "attention: k must be (2, S > 0, 4), got (2, 5, 6)");
  CHECK_THROWS_WITH(attend(q, kv, q, 2), "attention: v must be (2, 5, 4), got (2, 3, 4)");
  CHECK_THROWS_WITH(attend(q, kv, kv.to(DType::f32), 2),
                    "attention: k and v must be f64, got f64 and f32");
}
