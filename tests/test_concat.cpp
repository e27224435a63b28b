#include "kernels/concat.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape rows;  // the leading extents
  std::vector<int64_t> sizes;
};
const Case kCases[] = {
    {{}, {3}},        {{}, {1, 1}},          {{5}, {31, 33}},      {{2, 3, 5}, {7, 1, 32}},
    {{2, 2}, {0, 4}}, {{67, 61}, {3, 3, 3}}, {{3, 7}, {8, 16, 40}},
};

std::vector<Tensor> parts_of(const Case& c, DType dtype = DType::f64) {
  std::vector<Tensor> parts;
  for (const int64_t size : c.sizes) parts.push_back(randn(c.rows.inserted(c.rows.rank(), size), dtype, parts.size()));
  return parts;
}

}  // namespace

TEST_CASE("concat puts channels side by side", "[concat]") {
  for (const Case& c : kCases)
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      CAPTURE(c.rows, c.sizes, dtype);
      const std::vector<Tensor> parts = parts_of(c, dtype);
      const Tensor y = kernels::concat(parts);
      std::vector<std::vector<double>> values;
      for (const Tensor& part : parts) values.push_back(part.to_vector<double>());
      std::vector<double> want;
      for (int64_t m = 0; m < c.rows.numel(); ++m)
        for (size_t i = 0; i < parts.size(); ++i)
          want.insert(want.end(), values[i].begin() + m * c.sizes[i], values[i].begin() + (m + 1) * c.sizes[i]);
      CHECK(y.to_vector<double>() == want);
    }
}

TEST_CASE("split undoes concat", "[concat]") {
  for (const Case& c : kCases) {
    CAPTURE(c.rows, c.sizes);
    const std::vector<Tensor> parts = parts_of(c);
    const std::vector<Variable> back = split(Variable(kernels::concat(parts)), c.sizes);
    REQUIRE(back.size() == parts.size());
    for (size_t i = 0; i < parts.size(); ++i) CHECK(difference(back[i].value(), parts[i]) == 0);
  }
}

TEST_CASE("concat and split gradients match finite differences", "[concat][gradient]") {
  for (const Case& c : kCases) {
    CAPTURE(c.rows, c.sizes);
    const auto join = [](const std::vector<Variable>& v) { return concat(v); };
    CHECK(gradient_error(join, parts_of(c)) < kGradientTolerance);
    const auto cut = [&](const std::vector<Variable>& v) {
      Variable total;
      for (const Variable& part : split(v[0], c.sizes)) total = total.defined() ? total + sum(part * part) : sum(part);
      return total;
    };
    CHECK(gradient_error(cut, {kernels::concat(parts_of(c))}) < kGradientTolerance);
  }
}

TEST_CASE("channels are cut out of tensors of any type and alignment", "[concat]") {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::i64, DType::u8})
    for (const int64_t begin : {0, 1, 8}) {
      CAPTURE(dtype, begin);
      const Tensor x = randn({5, 3, 32}).to(dtype), y = kernels::slice_channels(x, begin, begin + 16);
      CHECK(difference(kernels::slice_channels(shifted(x), begin, begin + 16), y) == 0);
      CHECK(difference(kernels::slice_channels(kernels::slice_channels_backward(y, 32, begin), begin, begin + 16), y) ==
            0);
      const std::vector<double> all = x.to_vector<double>(), cut = y.to_vector<double>();
      for (size_t i = 0; i < cut.size(); ++i) REQUIRE(cut[i] == all[i / 16 * 32 + static_cast<size_t>(begin) + i % 16]);
    }
}

TEST_CASE("concat skips gradients nobody wants", "[concat]") {
  const Variable a(randn({2, 3}), true), b(randn({2, 4}));
  const Tensor dy = randn({2, 7});
  concat({a, b}).backward(dy);
  CHECK(difference(a.grad(), kernels::slice_channels(dy, 0, 3)) == 0);
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("concat works on empty batches", "[concat]") {
  const Variable a(Tensor({0, 4, 3}), true);
  concat({a, a}).backward(Tensor({0, 4, 6}));
  CHECK(a.grad().shape() == Shape{0, 4, 3});
}

TEST_CASE("concat and slices name the bad argument", "[concat][errors]") {
  const Tensor x = randn({2, 3});
  CHECK_THROWS_WITH(kernels::concat({x, randn({3, 3})}),
                    "concat: part must be f64 and (2, 3) but for the last axis, got f64 (3, 3)");
  CHECK_THROWS_WITH(kernels::concat({x, randn({2, 3}, DType::f32)}),
                    "concat: part must be f64 and (2, 3) but for the last axis, got f32 (2, 3)");
  CHECK_THROWS_WITH(kernels::concat({}), "concat: needs at least one part, of rank 1 or more");
  CHECK_THROWS_WITH(kernels::slice_channels(x, 1, 4), "slice_channels: channels [1, 4) are not in (2, 3)");
  CHECK_THROWS_WITH(split(Variable(x), std::vector<int64_t>{1, 1}),
                    "split: sizes must add up to the last extent of (2, 3), got 2");
}
