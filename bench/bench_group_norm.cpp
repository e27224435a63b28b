// GroupNorm with SiLU on the shapes of a 64x64 UNet of batch 32, forward and backward, by each kernel that the device
// has (docs/kernels/group_norm.md; the CPU has one, which then appears under every name).
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/harness.h"
#include "core/random.h"
#include "kernels/group_norm.h"

using namespace imago;
using kernels::GroupNormKernel;

namespace {

struct Layer {
  int64_t N, size, C;
};
const Layer kLayers[] = {{32, 64, 64}, {32, 32, 128}, {32, 16, 256}, {32, 8, 512}, {1, 256, 64}};

const std::pair<const char*, GroupNormKernel> kKernels[] = {{"automatic", GroupNormKernel::automatic},
                                                            {"naive", GroupNormKernel::naive},
                                                            {"slab", GroupNormKernel::slab},
                                                            {"split", GroupNormKernel::split}};

constexpr GroupNormOptions kOptions{.groups = 32, .activation = Activation::silu};

struct Tensors {
  Tensor x, weight, bias, dy, mean, rstd;

  Tensors(const Layer& l, DType dtype)
      : x(randn({l.N, l.size, l.size, l.C}, {.seed = 1}, dtype)), weight(randn({l.C}, {.seed = 2}, dtype)),
        bias(randn({l.C}, {.seed = 3}, dtype)), dy(randn(x.shape(), {.seed = 4}, dtype)) {
    const kernels::GroupNormResult result = kernels::group_norm(x, weight, bias, kOptions);
    mean = result.mean, rstd = result.rstd;
  }
  Tensor forward(GroupNormKernel kernel) const { return kernels::group_norm(x, weight, bias, kOptions, kernel).y; }
  Tensor backward(GroupNormKernel kernel) const {
    return kernels::group_norm_backward(dy, x, weight, bias, mean, rstd, kOptions.activation, 7, kernel).dx;
  }
};

// max |a - b| / max |b|
double gap(const Tensor& a, const Tensor& b) {
  const std::vector<double> got = a.to_vector<double>(), expected = b.to_vector<double>();
  double gap = 0, scale = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    gap = std::max(gap, std::abs(got[i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  return gap / scale;
}

std::vector<bench::Case> make_cases(const bench::Options&) {
  std::vector<bench::Case> cases;
  const DType dtype = default_device() == Device::cpu ? DType::f32 : DType::bf16;
  for (Layer l : kLayers) {
    if (default_device() == Device::simt) l.N = 2, l.size = std::min<int64_t>(l.size, 8);
    const auto t = std::make_shared<Tensors>(l, dtype);
    for (const bool forward : {true, false})
      for (const auto& [name, kernel] : kKernels) {
        if (!forward && kernel == GroupNormKernel::naive) continue;
        const auto run = [=](GroupNormKernel k) { return forward ? t->forward(k) : t->backward(k); };
        const nlohmann::json parameters{{"n", l.N}, {"size", l.size}, {"c", l.C}, {"forward", forward}};
        cases.push_back({
            .name = concat(l.size, "x", l.size, "x", l.C, " b", l.N, forward ? " forward " : " backward ", name),
            .parameters = parameters.dump(),
            .gflop = 0,
            .items = static_cast<double>(l.N),
            .run = [=, kernel = kernel] { run(kernel); },
            .error = [=, kernel = kernel] { return gap(run(kernel), run(GroupNormKernel::split)); },
            .tolerance = dtype == DType::f32 ? 1e-5 : 1e-2,
        });
      }
  }
  return cases;
}

}  // namespace

int main(int argc, char** argv) { return bench::bench_main(argc, argv, "group_norm", make_cases); }
