#include "kernels/permute.h"

#include <numeric>

#include "kernels/pixel_shuffle.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Case {
  Shape x;
  std::vector<int> order;
};
const Case kCases[] = {
    {{}, {}},
    {{31}, {0}},
    {{3, 5}, {1, 0}},
    {{67, 129}, {-1, -2}},
    {{2, 3, 5, 7}, {0, 3, 1, 2}},
    {{2, 3, 5, 7}, {0, 2, 3, 1}},
    {{2, 3, 5, 7}, {2, 0, 1, 3}},
    {{2, 3, 5, 7}, {0, 1, 2, 3}},
    {{3, 1, 4, 1}, {3, 2, 1, 0}},
    {{2, 33, 37, 40}, {0, 3, 1, 2}},
    {{2, 5, 3, 16}, {0, 2, 1, 3}},
    {{17, 3, 70, 2}, {2, 1, 3, 0}},
    {{2, 3, 4, 5, 2, 3}, {5, 0, 4, 2, 1, 3}},
};

// By the definition: index by index.
std::vector<double> reference(const Tensor& x, const std::vector<int>& order) {
  const int rank = x.rank();
  std::vector<int64_t> stride(static_cast<size_t>(rank) + 1, 1);
  for (int i = rank - 1; i >= 0; --i) stride[static_cast<size_t>(i)] = stride[static_cast<size_t>(i) + 1] * x.dim(i);
  const std::vector<double> from = x.to_vector<double>();
  std::vector<double> to;
  for (int64_t k = 0; k < x.numel(); ++k) {
    int64_t rest = k, offset = 0;
    for (int i = rank - 1; i >= 0; --i) {
      const int axis = x.shape().axis(order[static_cast<size_t>(i)]);
      offset += rest % x.dim(axis) * stride[static_cast<size_t>(axis) + 1];
      rest /= x.dim(axis);
    }
    to.push_back(from[static_cast<size_t>(offset)]);
  }
  return to;
}

Variable permuted(const Variable& x, const std::vector<int>& o) {
  switch (o.size()) {
    case 0: return permute(x, {});
    case 1: return permute(x, {o[0]});
    case 2: return permute(x, {o[0], o[1]});
    case 4: return permute(x, {o[0], o[1], o[2], o[3]});
    default: return permute(x, {o[0], o[1], o[2], o[3], o[4], o[5]});
  }
}

}  // namespace

TEST_CASE("permute puts axes where they are wanted", "[permute]") {
  for (const auto& [shape, order] : kCases)
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64, DType::u8}) {
      CAPTURE(shape, order, dtype);
      Tensor x(shape, DType::i64);
      std::iota(x.span<int64_t>().begin(), x.span<int64_t>().end(), 0);
      x = x.to(dtype);
      const Tensor y = kernels::permute(x, order);
      for (size_t i = 0; i < order.size(); ++i) REQUIRE(y.dim(static_cast<int>(i)) == x.dim(order[i]));
      CHECK(y.to_vector<double>() == reference(x, order));
      CHECK(kernels::permute(shifted(x), order).to_vector<double>() == reference(x, order));
    }
}

TEST_CASE("permute gradients match finite differences", "[permute][gradient]") {
  for (const Case& c : kCases) {
    if (c.x.numel() > 10000) continue;
    CAPTURE(c.x, c.order);
    const auto f = [&](const std::vector<Variable>& v) { return permuted(v[0], c.order); };
    CHECK(gradient_error(f, {randn(c.x)}) < kGradientTolerance);
  }
}

TEST_CASE("permute works on empty tensors and names the bad argument", "[permute][errors]") {
  const int transpose[] = {1, 0}, twice[] = {0, 0}, far[] = {0, 2}, few[] = {0};
  CHECK(kernels::permute(Tensor({0, 3}), transpose).shape() == Shape{3, 0});
  CHECK_THROWS_WITH(kernels::permute(randn({2, 3}), twice),
                    "permute: order must name each axis of (2, 3) once, got (0, 0)");
  CHECK_THROWS_WITH(kernels::permute(randn({2, 3}), far),
                    "permute: order must name each axis of (2, 3) once, got (0, 2)");
  CHECK_THROWS_WITH(kernels::permute(randn({2, 3}), few), "permute: order must name each axis of (2, 3) once, got (0)");
}

TEST_CASE("pixel_unshuffle has torch's channel order", "[pixel_shuffle]") {
  // torch.nn.functional.pixel_unshuffle of (N, C, H, W): output channel c * r * r + row * r + column.
  const int64_t N = 2, H = 4, W = 6, C = 3, r = 2;
  const Tensor x = randn({N, H, W, C}), y = kernels::pixel_unshuffle(x, r);
  REQUIRE(y.shape() == Shape{N, H / r, W / r, C * r * r});
  bool equal = true;
  for (int64_t n = 0; n < N; ++n)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t w = 0; w < W; ++w)
        for (int64_t c = 0; c < C; ++c) {
          const int64_t channel = c * r * r + h % r * r + w % r;
          equal &= x.data<double>()[((n * H + h) * W + w) * C + c] ==
                   y.data<double>()[((n * (H / r) + h / r) * (W / r) + w / r) * C * r * r + channel];
        }
  CHECK(equal);
}

TEST_CASE("pixel_shuffle undoes pixel_unshuffle, and so do the gradients", "[pixel_shuffle][gradient]") {
  for (const int64_t r : {1, 2, 3}) {
    CAPTURE(r);
    const Tensor x = randn({2, 6, 12, 5});
    CHECK(difference(kernels::pixel_shuffle(kernels::pixel_unshuffle(x, r), r), x) == 0);
    const auto down = [=](const std::vector<Variable>& v) { return pixel_unshuffle(v[0], r); };
    const auto up = [=](const std::vector<Variable>& v) { return pixel_shuffle(v[0], r); };
    CHECK(gradient_error(down, {x}) < kGradientTolerance);
    CHECK(gradient_error(up, {randn({1, 3, 2, 2 * r * r})}) < kGradientTolerance);
  }
}

TEST_CASE("pixel_shuffle names the bad argument", "[pixel_shuffle][errors]") {
  CHECK_THROWS_WITH(kernels::pixel_unshuffle(randn({1, 4, 5, 3}), 2),
                    "pixel_unshuffle: (1, 4, 5, 3) does not split into blocks of 2 x 2");
  CHECK_THROWS_WITH(kernels::pixel_shuffle(randn({1, 4, 5, 6}), 2),
                    "pixel_shuffle: the channels of (1, 4, 5, 6) do not split into blocks of 2 x 2");
  CHECK_THROWS_WITH(kernels::pixel_shuffle(randn({4, 5, 4}), 2),
                    "pixel_shuffle: x must be (N, H, W, C), got (4, 5, 4)");
  CHECK(kernels::pixel_unshuffle(Tensor({0, 4, 4, 3}), 2).shape() == Shape{0, 2, 2, 12});
}
