#include "core/parallel.h"
#include "kernels/matmul.h"
#include "kernels/precision.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  int64_t M, N, K;
};
const Case kCases[] = {{1, 1, 1},    {2, 3, 5},   {1, 7, 4},   {5, 1, 3},
                       {31, 32, 33}, {13, 17, 1}, {65, 70, 67}};

Tensor matrices(int64_t batch, int64_t rows, int64_t cols, bool transposed, uint64_t seed,
                DType dtype = DType::f64) {
  const Shape shape = transposed ? Shape{cols, rows} : Shape{rows, cols};
  return randn(batch ? shape.inserted(0, batch) : shape, dtype, seed);
}

// op(t)[n][i][j]; t without batch axis serves every n.
double at(const Tensor& t, int64_t n, int64_t i, int64_t j, bool transposed) {
  if (transposed) std::swap(i, j);
  const int64_t rows = t.dim(-2), cols = t.dim(-1);
  return t.data<double>()[(t.rank() == 3 ? n * rows * cols : 0) + i * cols + j];
}

// Products of f32 may round their factors to tf32 while it lives.
struct AllowTf32 {
  AllowTf32() { kernels::set_matmul_precision(kernels::MatmulPrecision::tf32); }
  ~AllowTf32() { kernels::set_matmul_precision(kernels::MatmulPrecision::f32); }
};

// matmul and its gradients on the tested device against the CPU in f64. No batch, one b for all, or a b for each.
double matmul_disagreement(const Case& c, bool ta, bool tb, int64_t batch_a, int64_t batch_b, DType dtype) {
  const auto f = [=](const std::vector<Variable>& v) {
    return matmul(v[0], v[1], {.transpose_a = ta, .transpose_b = tb});
  };
  return disagreement(f, {matrices(batch_a, c.M, c.K, ta, 1), matrices(batch_b, c.K, c.N, tb, 2)}, dtype);
}

}  // namespace

TEST_CASE("matmul is the sum over the inner axis", "[matmul]") {
  for (const auto& [M, N, K] : kCases)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const bool shared : {false, true}) {
          CAPTURE(M, N, K, ta, tb, shared);
          const Tensor a = matrices(2, M, K, ta, 1), b = matrices(shared ? 0 : 2, K, N, tb, 2),
                       bias = randn({N});
          const Tensor y = kernels::matmul(a, b, {.transpose_a = ta, .transpose_b = tb}, bias);
          REQUIRE(y.shape() == Shape{2, M, N});
          double gap = 0;
          for (int64_t n = 0; n < 2; ++n)
            for (int64_t i = 0; i < M; ++i)
              for (int64_t j = 0; j < N; ++j) {
                double sum = bias.data<double>()[j];
                for (int64_t k = 0; k < K; ++k) sum += at(a, n, i, k, ta) * at(b, n, k, j, tb);
                gap = std::max(gap, std::abs(sum - at(y, n, i, j, false)));
              }
          CHECK(gap < 1e-12 * static_cast<double>(K + 10));
        }
}

TEST_CASE("matmul gradients match finite differences", "[matmul][gradient]") {
  for (const auto& [M, N, K] : kCases)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const auto& [batch_a, batch_b] : {std::pair{0, 0}, {3, 3}, {3, 0}}) {
          CAPTURE(M, N, K, ta, tb, batch_a, batch_b);
          const auto f = [=](const std::vector<Variable>& v) {
            return matmul(v[0], v[1], {.transpose_a = ta, .transpose_b = tb});
          };
          CHECK(gradient_error(f, {matrices(batch_a, M, K, ta, 1),
                                   matrices(batch_b, K, N, tb, 2)}) < kGradientTolerance);
        }
}

TEST_CASE("matmul in f32 agrees with f64, also over a long inner extent", "[matmul][agreement]") {
  for (const auto& [M, N, K] :
       {Case{300, 270, 40}, {9, 11, 20000}, {64, 64, 4099}, {1, 5, 3000}, {700, 3, 8}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        CAPTURE(M, N, K, ta, tb);
        const Tensor a = matrices(0, M, K, ta, 1, DType::f32),
                     b = matrices(0, K, N, tb, 2, DType::f32);
        const MatmulOptions options{.transpose_a = ta, .transpose_b = tb};
        const Tensor wide = kernels::matmul(a.to(DType::f64), b.to(DType::f64), options);
        CHECK(difference(kernels::matmul(a, b, options), wide) < tolerance(DType::f32));
      }
}

TEST_CASE("matmul agrees with the CPU in double", "[matmul][device]") {
  // Rows of whole 16 bytes and others; one step along K, several, and K in parts.
  const Case cases[] = {{1, 1, 1}, {31, 32, 33}, {64, 8, 16}, {72, 80, 304}, {24, 40, 1000}, {3, 70, 1003}};
  for (const DType dtype : device_types())
    for (const Case& c : cases)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          CAPTURE(dtype, c.M, c.N, c.K, ta, tb);
          CHECK(matmul_disagreement(c, ta, tb, 0, 0, dtype) < tolerance(dtype));
          if (c.K > 100) continue;
          CHECK(matmul_disagreement(c, ta, tb, 3, 3, dtype) < tolerance(dtype));
          CHECK(matmul_disagreement(c, ta, tb, 3, 0, dtype) < tolerance(dtype));
        }
}

TEST_CASE("matmul agrees with the CPU in double where there is enough for large tiles", "[matmul][device]") {
  for (const DType dtype : device_types()) {
    CAPTURE(dtype);
    CHECK(matmul_disagreement({72, 72, 72}, false, false, 132, 132, dtype) < tolerance(dtype));
    CHECK(matmul_disagreement({136, 8, 8}, false, true, 132, 132, dtype) < tolerance(dtype));
  }
}

TEST_CASE("matmul rounds factors to tf32 where that is allowed", "[matmul][device]") {
  const double tf32_tolerance = 2e-3;
  const Case small{72, 80, 304}, parts{24, 40, 1000};
  const double exact = matmul_disagreement(small, false, false, 0, 0, DType::f32);
  const AllowTf32 allow;
  for (const auto& [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
    CAPTURE(ta, tb);
    CHECK(matmul_disagreement(small, ta, tb, 0, 0, DType::f32) < tf32_tolerance);
    CHECK(matmul_disagreement(parts, ta, tb, 0, 0, DType::f32) < tf32_tolerance);
  }
  CHECK(matmul_disagreement({72, 72, 72}, false, false, 132, 132, DType::f32) < tf32_tolerance);
  if (default_device() == Device::cpu) return;  // it has no tensor cores
  CHECK(matmul_disagreement(small, false, false, 0, 0, DType::f32) > 10 * exact);
}

TEST_CASE("matmul gives the same bits on any number of threads", "[matmul][threads]") {
  const Tensor a = randn({300, 4000}, DType::f32, 1), b = randn({4000, 70}, DType::f32, 2);
  const int before = thread_count();
  const Tensor y = kernels::matmul(a, b);
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    CHECK(difference(kernels::matmul(a, b), y) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("matmul takes empty batches and empty inner extents", "[matmul]") {
  CHECK(kernels::matmul(Tensor({0, 2, 3}), Tensor({3, 4})).shape() == Shape{0, 2, 4});
  CHECK(kernels::matmul(Tensor({0, 2, 3}), Tensor({0, 3, 4})).shape() == Shape{0, 2, 4});
  CHECK(difference(kernels::matmul(Tensor({2, 0}), Tensor({0, 3})), Tensor::zeros({2, 3})) == 0);
  for (const bool ta : {false, true}) {
    const auto [da, db] =
        kernels::matmul_backward(Tensor({0, 2, 4}), Tensor(ta ? Shape{0, 3, 2} : Shape{0, 2, 3}),
                                 Tensor({3, 4}), {.transpose_a = ta}, 3);
    CHECK(da.numel() == 0);
    CHECK(difference(db, Tensor::zeros({3, 4})) == 0);
  }
}

TEST_CASE("matmul skips gradients nobody wants", "[matmul]") {
  const auto [da, db] =
      kernels::matmul_backward(randn({2, 4}), randn({2, 3}), randn({3, 4}), {}, 2);
  CHECK_FALSE(da.defined());
  CHECK(db.shape() == Shape{3, 4});
}

TEST_CASE("matmul names the bad argument", "[matmul][errors]") {
  CHECK_THROWS_WITH(kernels::matmul(randn({3}), randn({3, 2})),
                    "matmul: a must be (..., M, K), got (3)");
  CHECK_THROWS_WITH(kernels::matmul(randn({3, 2}), randn({2})),
                    "matmul: b must be (..., K, N), got (2)");
  CHECK_THROWS_WITH(kernels::matmul(randn({3, 2}), randn({3, 2})),
                    "matmul: the inner extents must be equal, got 2 of a (3, 2) and 3 of b (3, 2)");
  CHECK_THROWS_WITH(
      kernels::matmul(randn({4, 3, 2}), randn({5, 2, 2})),
      "matmul: the leading axes of b must be those of a (4, 3, 2) or absent, got (5, 2, 2)");
  CHECK_THROWS_WITH(kernels::matmul(randn({3, 2}), randn({2, 4}, DType::f32)),
                    "matmul: b must be f64, got f32");
  CHECK_THROWS_WITH(kernels::matmul(randn({3, 2}), randn({2, 4}), {}, randn({3})),
                    "matmul: bias must be (4) f64, got (3) f64");
}
