// conv2d on the layers of BasicUNet (28x28, batch 128) and of a small time UNet (32x32, batch 64): forward, gradient of
// the input, gradient of the weights. Off the CPU each of them by every rung of the ladder (docs/kernels/conv2d.md).
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/harness.h"
#include "core/random.h"
#include "kernels/conv2d.h"
#include "kernels/conv2d_algorithm.h"

using namespace imago;

namespace {

struct Layer {
  int64_t N, size, C, O, kernel, stride = 1;

  Conv2dOptions options() const { return {.stride = stride, .padding = kernel / 2}; }
  int64_t out() const { return (size - 1) / stride + 1; }
  std::string name() const {
    return concat(size, "x", size, " ", kernel, "x", kernel, " ", C, ">", O, stride > 1 ? " /2" : "", " b", N);
  }
};

const Layer kLayers[] = {
    // BasicUNet
    {128, 28, 1, 32, 5}, {128, 14, 32, 64, 5}, {128, 7, 64, 64, 5}, {128, 14, 64, 32, 5}, {128, 28, 32, 1, 5},
    // time UNet, 32 64 64
    {64, 32, 1, 32, 3}, {64, 32, 32, 32, 3}, {64, 32, 32, 32, 3, 2}, {64, 16, 32, 64, 3}, {64, 16, 64, 64, 3},
    {64, 16, 64, 64, 3, 2}, {64, 8, 64, 64, 3}, {64, 8, 128, 64, 3}, {64, 16, 128, 64, 3}, {64, 16, 96, 64, 3},
    {64, 16, 64, 64, 1}, {64, 32, 64, 64, 3}, {64, 32, 96, 32, 3}, {64, 32, 64, 32, 3}, {64, 32, 96, 32, 1},
    {64, 16, 128, 64, 1}, {64, 32, 32, 3, 3},
};

// What all cases of one layer share.
struct Tensors {
  Layer layer;
  Tensor x, weight, dy;

  Tensors(const Layer& l, DType dtype)
      : layer(l), x(randn({l.N, l.size, l.size, l.C}, {.seed = 1}, dtype)),
        weight(randn({l.O, l.kernel, l.kernel, l.C}, {.seed = 2}, dtype)),
        dy(randn({l.N, l.out(), l.out(), l.O}, {.seed = 3}, dtype)) {}

  Tensor forward() const { return kernels::conv2d(x, weight, layer.options()); }
  Tensor backward_input() const { return kernels::conv2d_backward_input(dy, weight, x.shape(), layer.options()); }
  Tensor backward_weight() const { return kernels::conv2d_backward_weight(dy, x, weight.shape(), layer.options()); }
};

// max |result - reference| / max |reference|, the reference being the same function in double, on two images (whose
// sums over pixels are short enough to compare).
template <typename F>
double error_on_two_images(const Tensors& t, F f) {
  Tensors narrow = t, wide = t;
  narrow.x = t.x.slice(0, 2), narrow.dy = t.dy.slice(0, 2);
  wide.x = narrow.x.to(DType::f64), wide.weight = t.weight.to(DType::f64), wide.dy = narrow.dy.to(DType::f64);
  const std::vector<double> got = f(narrow).template to_vector<double>();
  const std::vector<double> expected = f(wide).template to_vector<double>();
  double gap = 0, scale = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    gap = std::max(gap, std::abs(got[i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  return gap / scale;
}

using kernels::Conv2dAlgorithm;

template <typename F>
bench::Case make_case(const std::shared_ptr<Tensors>& t, const std::string& direction, Conv2dAlgorithm algorithm,
                      F function) {
  const Layer& l = t->layer;
  const auto f = [=](const Tensors& tensors) {
    kernels::set_conv2d_algorithm(algorithm);
    return function(tensors);
  };
  const bool automatic = algorithm == Conv2dAlgorithm::automatic;
  const std::string rung = automatic ? "" : concat(" ", algorithm, " ", t->x.dtype());
  const nlohmann::json parameters{{"direction", direction}, {"n", l.N}, {"size", l.size}, {"c", l.C}, {"o", l.O},
                                  {"kernel", l.kernel}, {"stride", l.stride}, {"padding", l.kernel / 2}};
  return {
      .name = l.name() + " " + direction + rung,
      .parameters = parameters.dump(),
      .gflop = 2e-9 * static_cast<double>(t->dy.numel() * l.kernel * l.kernel * l.C),
      .items = 0,
      .run = [=] { f(*t); },
      .error = [=] { return error_on_two_images(*t, f); },
      .tolerance = t->x.dtype() == DType::f32 ? 1e-5 : 1e-2,
  };
}

void add_cases(const Layer& layer, DType dtype, Conv2dAlgorithm algorithm, std::vector<bench::Case>& cases) {
  const auto t = std::make_shared<Tensors>(layer, dtype);
  cases.push_back(make_case(t, "forward", algorithm, [](const Tensors& t) { return t.forward(); }));
  cases.push_back(make_case(t, "input", algorithm, [](const Tensors& t) { return t.backward_input(); }));
  cases.push_back(make_case(t, "weight", algorithm, [](const Tensors& t) { return t.backward_weight(); }));
}

std::vector<bench::Case> make_cases(const bench::Options&) {
  std::vector<bench::Case> cases;
  for (Layer l : kLayers) {
    if (default_device() == Device::simt) l.N = 2, l.size = std::min<int64_t>(l.size, 8);
    if (default_device() == Device::cpu) {
      add_cases(l, DType::f32, Conv2dAlgorithm::automatic, cases);
      continue;
    }
    add_cases(l, DType::f32, Conv2dAlgorithm::direct, cases);
    add_cases(l, DType::f32, Conv2dAlgorithm::tiled, cases);
    add_cases(l, DType::bf16, Conv2dAlgorithm::tensor_core, cases);
    add_cases(l, DType::bf16, Conv2dAlgorithm::pipelined, cases);
  }
  return cases;
}

}  // namespace

int main(int argc, char** argv) { return bench::bench_main(argc, argv, "conv2d", make_cases); }
