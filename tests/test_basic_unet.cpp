#include "nn/basic_unet.h"
#include "tests/golden.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("BasicUNet has the parameters of the course", "[basic_unet]") {
  const nn::BasicUNet unet(nn::Init::none());
  CHECK(nn::parameter_count(unet) == 309057);
  const nn::NamedParameters parameters = nn::named_parameters(unet);
  REQUIRE(parameters.size() == 12);
  CHECK(parameters.front().first == "down_layers.0.weight");
  CHECK(parameters.back().first == "up_layers.2.bias");
  CHECK(parameters[4].second.shape() == Shape{64, 5, 5, 64});
}

TEST_CASE("BasicUNet computes what PyTorch computes, from the same seed", "[basic_unet][golden]") {
  const Golden golden("basic_unet");
  const nn::BasicUNet unet(nn::Init::torch(0));
  const Variable x(golden.image("in.x", DType::f32), true);
  const Variable y = unet(x, {});
  y.backward(golden.image("in.dy", DType::f32));
  const Tensor expected = golden.image("out.y", DType::f32), dx = golden.image("g.x", DType::f32);
  CHECK(largest_gap(y.value(), expected) <= 2e-6 * largest(expected));
  CHECK(largest_gap(x.grad(), dx) <= 1e-5 * largest(dx));

  for (const auto& [name, parameter] : nn::named_parameters(unet)) {
    CAPTURE(name);
    if (parameter.rank() == 1) {
      const Tensor gradient = golden.load("g." + name);
      CHECK(largest_gap(parameter.grad(), gradient) <= 1e-5 * largest(gradient));
      continue;
    }
    const Variable dweight(parameter.grad());  // (O, KH, KW, I)
    const Tensor channels = golden.load("g.channels." + name),
                 kernel = golden.load("g.kernel." + name);
    CHECK(largest_gap(sum(dweight, std::vector<int>{1, 2}).value(), channels) <=
          1e-5 * largest(channels));
    CHECK(largest_gap(sum(dweight, std::vector<int>{0, 3}).value(), kernel) <=
          1e-5 * largest(kernel));
  }
}

TEST_CASE("BasicUNet names the bad argument", "[basic_unet][errors]") {
  const nn::BasicUNet unet(nn::Init::none());
  CHECK_THROWS_WITH(
      unet(randn({1, 28, 30, 1}, DType::f32), {}),
      "BasicUNet: x must be (N, H, W, C) with H and W multiples of 4, got (1, 28, 30, 1)");
}
