#include "kernels/embedding.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("embedding returns the rows that the ids name", "[embedding]") {
  const Tensor w = Tensor::from<float>({0, 1, 10, 11, 20, 21}, {3, 2});
  const Tensor expected = Tensor::from<float>({20, 21, 0, 1, 20, 21, 10, 11}, {2, 2, 2});
  const Tensor wide = Tensor::from<int64_t>({2, 0, 2, 1}, {2, 2}),
               narrow = Tensor::from<int32_t>({2, 0, 2, 1}, {2, 2});
  CHECK(difference(kernels::embedding(wide, w), expected) == 0);
  CHECK(difference(kernels::embedding(narrow, w), expected) == 0);
  CHECK(kernels::embedding(Tensor({0}, DType::i64), w).shape() == Shape{0, 2});
  CHECK(kernels::embedding(Tensor::full({}, 1, DType::i32), w).shape() == Shape{2});
}

TEST_CASE("embedding gradients add up where an id is named twice", "[embedding][gradient]") {
  const Tensor ids = Tensor::from<int64_t>({2, 0, 2, 1, 2}, {5});
  const auto f = [=](const std::vector<Variable>& v) { return embedding(ids, v[0]); };
  CHECK(gradient_error(f, {randn({4, 67})}) < kGradientTolerance);
  const Tensor dweight = kernels::embedding_backward(Tensor::full({5, 1}, 1), ids, 4);
  CHECK(difference(dweight, Tensor::from<float>({1, 1, 3, 0}, {4, 1})) == 0);
  CHECK(difference(kernels::embedding_backward(Tensor({0, 3}), Tensor({0}, DType::i32), 2),
                   Tensor::zeros({2, 3})) == 0);
}

TEST_CASE("embedding agrees with the CPU in double", "[embedding][device]") {
  const int64_t M = 300, V = 7;
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < M; ++i) numbers.push_back(i * i % V);  // some often and far apart, some never
  for (const DType dtype : device_types())
    for (const int64_t C : {64, 67, 300}) {
      CAPTURE(dtype, C);
      const auto f = [&](const std::vector<Variable>& v) {
        return embedding(Tensor::from(std::span<const int64_t>(numbers), {M}), v[0]);
      };
      CHECK(disagreement(f, {randn({V, C})}, dtype) < tolerance(dtype));
    }
}

TEST_CASE("embedding names the bad id", "[embedding][errors]") {
  const Tensor w = randn({10, 3}), ids = Tensor::from<int64_t>({1, 9, 10}, {3});
  CHECK_THROWS_WITH(kernels::embedding(ids, w),
                    "embedding: ids must be in [0, 10), got 10 at position 2");
  CHECK_THROWS_WITH(kernels::embedding(Tensor::from<int32_t>({-1}, {1}), w),
                    "embedding: ids must be in [0, 10), got -1 at position 0");
  CHECK_THROWS_WITH(kernels::embedding(ids, randn({10})),
                    "embedding: weight must be (V, C), got (10)");
  CHECK_THROWS_WITH(kernels::embedding(Tensor({2}), w),
                    "embedding: ids must be i32 or i64, got f32");
}
