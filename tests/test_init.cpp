#include "nn/conv2d.h"
#include "nn/embedding.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/torch_random.h"
#include "tests/golden.h"

using namespace imago;
using namespace imago::test;
using nn::Init;

namespace {

struct Moments {
  double mean, deviation, smallest, largest;
};

Moments moments(const Tensor& t) {
  const std::vector<double> v = t.to_vector<double>();
  const double n = static_cast<double>(v.size());
  double sum = 0, square = 0;
  for (const double x : v) sum += x, square += x * x;
  return {sum / n, std::sqrt(square / n - sum * sum / n / n), *std::min_element(v.begin(), v.end()),
          *std::max_element(v.begin(), v.end())};
}

}  // namespace

TEST_CASE("parameters start uniform in +-1/sqrt(fan_in)", "[init]") {
  const Init init = Init::random(1);
  const std::pair<nn::NamedParameters, double> cases[] = {
      {nn::named_parameters(nn::Linear(init, 64, 400)), 1 / 8.0},
      {nn::named_parameters(nn::Conv2d(init, 16, 400, 5)), 1 / 20.0},
      {nn::named_parameters(nn::Conv2d(init, 32, 400, 5, {.groups = 2})), 1 / 20.0}};
  for (const auto& [parameters, bound] : cases)
    for (const auto& [name, parameter] : parameters) {
      CAPTURE(name, parameter.shape());
      const Moments m = moments(parameter.value());
      CHECK(m.smallest >= -bound);
      CHECK(m.largest <= bound);
      CHECK(m.deviation == Approx(bound / std::sqrt(3)).epsilon(0.06));
      CHECK(std::abs(m.mean) < 0.12 * bound);
      CHECK(parameter.requires_grad());
    }
  CHECK(moments(nn::named_parameters(nn::Embedding(init, 300, 10))[0].second.value()).deviation ==
        Approx(1).epsilon(0.05));
}

TEST_CASE("initial parameters depend on the seed and on the place in the model", "[init]") {
  const Init a = Init::random(1), again = Init::random(1), other = Init::random(2);
  const Tensor first = a.uniform({50}, 1), second = a.uniform({50}, 1);
  CHECK(largest_gap(first, again.uniform({50}, 1)) == 0);
  CHECK(largest_gap(second, again.uniform({50}, 1)) == 0);
  CHECK(largest_gap(first, second) > 0.5);
  CHECK(largest_gap(first, other.uniform({50}, 1)) > 0.5);
  CHECK(Init::random(1, DType::f64).uniform({2}, 1).dtype() == DType::f64);
}

TEST_CASE("TorchRandom draws what PyTorch draws", "[init][golden]") {
  const Golden golden("torch_random");
  for (const uint64_t seed : {uint64_t{0}, uint64_t{7}, uint64_t{1234}, (uint64_t{1} << 40) + 3}) {
    CAPTURE(seed);
    const std::string prefix = std::to_string(seed);
    const Tensor expected = golden.load("uniform." + prefix);
    Tensor uniform = Tensor::empty_like(expected);
    nn::TorchRandom(seed).fill_uniform(uniform, -0.5f, 2);
    CHECK(largest_gap(uniform, expected) == 0);
    for (const int64_t n : {5, 16, 40}) {
      CAPTURE(n);
      Tensor normal({n});
      nn::TorchRandom(seed).fill_normal(normal);
      CHECK(largest_gap(normal, golden.load("normal." + prefix + "." + std::to_string(n))) < 1e-6);
    }
    const std::pair<int64_t, int64_t> ranges[] = {
        {0, 10}, {-5, 1000}, {0, (1 << 28) - 1}, {0, 1 << 28}, {-(int64_t{1} << 40), int64_t{1} << 41}};
    for (size_t i = 0; i < 5; ++i) {
      const Tensor drawn = golden.load("integers." + prefix + "." + std::to_string(i));
      Tensor integers = Tensor::empty_like(drawn);
      nn::TorchRandom(seed).fill_integers(integers, ranges[i].first, ranges[i].second);
      CHECK(integers.to_vector<int64_t>() == drawn.to_vector<int64_t>());
    }
  }
}

TEST_CASE("TorchRandom goes on as PyTorch does from one draw to the next", "[init][golden]") {
  const Golden golden("torch_random");
  nn::TorchRandom random(11);
  const auto next_is = [&](const std::string& name) {
    const Tensor expected = golden.load("sequence." + name);
    Tensor normal = Tensor::empty_like(expected);
    random.fill_normal(normal);
    CHECK(largest_gap(normal, expected) < 1e-6);
  };
  for (const char* draw : {"0", "1", "2", "3", "4"}) next_is(draw);
  Tensor integers({5}, DType::i64);
  random.fill_integers(integers, 0, 1000);
  CHECK(integers.to_vector<int64_t>() == golden.load("sequence.integers").to_vector<int64_t>());
  next_is("last");
  CHECK_THROWS_WITH(random.fill_integers(integers, 3, 3), "TorchRandom: high must be above low, 3, got 3");
}
