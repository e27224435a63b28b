// The first operation whose result, or gradient, is not finite is found and named.
#include "autograd/anomaly.h"

#include "autograd/checkpoint.h"
#include "autograd/no_grad.h"
#include "nn/unet2d.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

Variable leaf(std::initializer_list<float> values) {
  return Variable(Tensor::from(values, {static_cast<int64_t>(values.size())}), true);
}

}  // namespace

TEST_CASE("an overflow in the forward pass is named with its place", "[anomaly]") {
  // In double: the exponential of f32 ends at a large number.
  const Variable x(Tensor::from({1.0, 800.0, 3.0, 900.0}, {4}), true), y(Tensor::from({1.0, 1.0, 1.0, 1.0}, {4}), true);
  const auto loss = [&] { return sum(exp(x * y) + y); };
  CHECK(find_anomaly({{"layer.x", x}}, "step 7", loss) ==
        "step 7: 2 of 4 values are not finite in the result of exp, operation 2 of the forward pass: (4) from (4)");
  const AnomalyScope watched({}, "here");
  const NoGrad no_grad;  // sampling is watched too
  CHECK_THROWS_WITH(exp(x), "here: 2 of 4 values are not finite in the result of exp, operation 1 of the forward pass: "
                            "(4) from (4)");
}

TEST_CASE("a value that was not finite to begin with is named with its parameter", "[anomaly]") {
  nn::UNet2D unet({.down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
                   .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
                   .block_out_channels = {4, 8},
                   .layers_per_block = 1,
                   .norm_num_groups = 2},
                  nn::Init::random(1));
  const nn::NamedParameters parameters = nn::named_parameters(unet);
  const Tensor x = randn({2, 8, 8, 3}, DType::f32), t = Tensor::full({2}, 10, DType::i64);
  const auto loss = [&] { return mse_loss(unet(Variable(x), t), x); };
  CHECK(find_anomaly(parameters, "step 3", loss) == "");
  for (const auto& [name, parameter] : parameters)
    if (name == "mid_block.resnets.0.conv1.weight") {
      Tensor broken = parameter.value().clone();
      std::vector<float> values = broken.to_vector<float>();
      values[5] = NAN;
      Variable(parameter).set_value(Tensor::from<float>(values, broken.shape()));
    }
  const std::string sentence = find_anomaly(parameters, "step 3", loss);
  const std::string name = "mid_block.resnets.0.conv1",
                    culprit = name + ".weight (8, 3, 3, 8) of which 1 of 576 values are not finite";
  CHECK_THAT(sentence, Catch::Matchers::StartsWith("step 3: ") &&
                           Contains("values are not finite in the result of conv2d, operation ") &&
                           Contains(": (2, 4, 4, 8) from (2, 4, 4, 8), " + culprit + ", " + name + ".bias"));
  // The same inside of what is run twice.
  unet.set_gradient_checkpointing(nn::GradientCheckpointing::blocks);
  CHECK_THAT(find_anomaly(parameters, "step 3", loss), Contains(culprit));
}

TEST_CASE("a division by zero in the backward pass is named with the operation it belongs to", "[anomaly]") {
  const Variable x = leaf({4, 0, 1});  // d sqrt(x) / dx at 0 is infinite
  CHECK(find_anomaly({{"x", x}}, "step 2", [&] { return sum(sqrt(x)); }) ==
        "step 2: 1 of 3 values are not finite in the gradient of input 0, x, in the backward pass of sqrt, operation 1 "
        "of the forward pass: (3) from x (3)");
  // What goes wrong on the second run is found as well.
  const auto twice = [&] {
    return sum(checkpoint([](const std::vector<Variable>& in) { return sqrt(in[0]); }, {x}));
  };
  CHECK_THAT(find_anomaly({{"x", x}}, "step 2", twice), Contains("of input 0, x, in the backward pass of sqrt"));
}

TEST_CASE("what is finite passes, and the watch ends with its scope", "[anomaly]") {
  const Variable x = leaf({4, 1}), zero = leaf({0, 0});
  CHECK(find_anomaly({}, "step 1", [&] { return sum(sqrt(x) / x); }) == "");
  CHECK(AnomalyScope::current() == nullptr);
  CHECK_NOTHROW(sum(x / zero).backward());
  CHECK_THROWS_WITH(find_anomaly({}, "step 1", []() -> Variable { fail("no data"); }), "no data");
  CHECK(AnomalyScope::current() == nullptr);
}
