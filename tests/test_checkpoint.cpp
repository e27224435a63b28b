// What is computed again instead of kept: the same bits, and less memory.
#include "autograd/checkpoint.h"

#include "autograd/no_grad.h"
#include "core/allocator.h"
#include "nn/checkpoint.h"
#include "nn/training.h"
#include "nn/unet2d.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using Inputs = std::vector<Variable>;
using nn::GradientCheckpointing;

namespace {

const GradientCheckpointing kLevels[] = {GradientCheckpointing::none, GradientCheckpointing::norms,
                                         GradientCheckpointing::blocks};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() && a.to_vector<float>() == b.to_vector<float>();
}

Variable weights(const Shape& shape, uint64_t seed) { return Variable(randn(shape, DType::f32, seed), true); }

// Two ways from x to the result, and x is used outside too: the order of its three gradients' sum shows in the bits.
struct Branches {
  Variable w = weights({7, 7}, 1), v = weights({7, 7}, 2);

  Variable part(const Inputs& in) const { return silu(linear(in[0], w)) + linear(tanh(in[0]) * in[1], v); }
  Variable operator()(const Variable& x, const Variable& scale, int depth) const {
    const Function f = [this](const Inputs& in) { return part(in); };
    const Function nested = [f](const Inputs& in) { return checkpoint(f, in) * in[1] + in[0]; };
    const Function plain = [f](const Inputs& in) { return f(in) * in[1] + in[0]; };
    const Variable y = depth == 0 ? plain({x, scale}) : checkpoint(depth == 1 ? plain : nested, {x, scale});
    return mean(y * x);
  }
};

nn::UNet2DConfig config(double dropout, const char* scale_shift) {
  return {.down_block_types = {"DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"},
          .up_block_types = {"ResnetUpsampleBlock2D", "AttnUpBlock2D", "UpBlock2D"},
          .block_out_channels = {8, 8, 16},
          .layers_per_block = 1,
          .dropout = dropout,
          .norm_num_groups = 4,
          .resnet_time_scale_shift = scale_shift};
}

struct Result {
  Tensor loss;
  std::vector<Tensor> gradients;
  size_t peak;
};

Result step(nn::UNet2D& unet, GradientCheckpointing level, int64_t size, DType dtype = DType::f32) {
  unet.set_gradient_checkpointing(level);
  const nn::NamedParameters parameters = nn::named_parameters(unet);
  for (auto [name, parameter] : parameters) parameter.zero_grad();
  const Tensor x = randn({2, size, size, 3}, dtype), t = Tensor::full({2}, 10, DType::i64);
  reset_peak_memory(default_device());
  const size_t before = memory_stats(default_device()).in_use;
  Result result;
  {
    std::optional<nn::Training> training(std::in_place, 1, 2);
    const Variable loss = mse_loss(unet(Variable(x), t), x);
    training.reset();  // the second run is not within it
    result.loss = loss.value();
    loss.backward();
  }
  result.peak = memory_stats(default_device()).peak - before;
  for (const auto& [name, parameter] : parameters)
    if (parameter.requires_grad()) result.gradients.push_back(parameter.grad());
  return result;
}

}  // namespace

TEST_CASE("checkpoint leaves the same bits in every gradient, nested too", "[checkpoint]") {
  const Tensor x_value = randn({5, 7}, DType::f32, 3), scale_value = randn({5, 7}, DType::f32, 4);
  std::vector<std::vector<Tensor>> found;
  for (const int depth : {0, 1, 2}) {
    const Branches f;
    const Variable x(x_value, true), scale(scale_value, true);
    const Variable through = x * 3;  // not a leaf
    f(through, scale, depth).backward();
    f(x, scale, depth).backward();
    found.push_back({f.w.grad(), f.v.grad(), x.grad(), scale.grad()});
  }
  for (const auto& gradients : found)
    for (size_t i = 0; i < gradients.size(); ++i) CHECK(same_bits(gradients[i], found[0][i]));
}

TEST_CASE("checkpoint runs f twice in training and once otherwise", "[checkpoint]") {
  int runs = 0;
  const Function f = [&](const Inputs& in) {
    ++runs;
    return in[0] * in[0];
  };
  const Variable x = weights({3}, 1), fixed(randn({3}, DType::f32));
  const Variable y = sum(checkpoint(f, {x}));
  CHECK(runs == 1);
  y.backward(/*retain_graph=*/true);
  CHECK(runs == 2);
  const Tensor once = x.grad().clone();
  y.backward();
  CHECK(runs == 3);
  CHECK(difference(x.grad(), (Variable(once) * 2).value()) == 0);
  CHECK_THROWS_WITH(y.backward(), Contains("has already been used"));
  {
    const NoGrad no_grad;
    runs = 0;
    CHECK_FALSE(checkpoint(f, {x}).requires_grad());
    CHECK(runs == 1);
  }
  CHECK_THROWS_WITH(checkpoint(f, {}), "checkpoint: there must be an input");
  // Nothing in it may want a gradient.
  sum(checkpoint(f, {fixed}) * x).backward();
}

TEST_CASE("checkpoint finds parameters that are not among its inputs", "[checkpoint]") {
  const Variable w = weights({3}, 1), x(randn({3}, DType::f32));
  sum(checkpoint([&](const Inputs& in) { return in[0] * w; }, {x})).backward();
  CHECK(same_bits(w.grad(), x.value()));
}

TEST_CASE("checkpoint works under NoGrad around backward, and says when f changed", "[checkpoint]") {
  const Variable w = weights({3}, 1);
  const Variable y = sum(checkpoint([](const Inputs& in) { return in[0] * in[0]; }, {w}));
  {
    const NoGrad no_grad;
    y.backward();
  }
  CHECK(w.grad().defined());
  int run = 0;
  const Variable z = checkpoint([&](const Inputs& in) { return run++ ? sum(in[0]) : in[0] * 2; }, {w});
  CHECK_THROWS_WITH(sum(z).backward(), "checkpoint: the second run must make (3) f32 as the first did, got () f32");
  Tensor overwritten = randn({3}, DType::f32);
  const Variable v(overwritten, true);
  const Variable u = sum(checkpoint([](const Inputs& in) { return in[0] * in[0]; }, {v}));
  overwritten.fill(0);
  CHECK_THROWS_WITH(u.backward(), Contains("has been written to in place since"));
}

TEST_CASE("recomputed() values are computed once more, for all who need them, and not kept", "[checkpoint]") {
  int runs = 0;
  const Function f = [&](const Inputs& in) {
    ++runs;
    return exp(in[0]);
  };
  const Variable x = weights({1000}, 1), w = weights({1000}, 2), v = weights({1000}, 3);
  const auto loss = [&](bool again) {
    const Variable y = again ? recomputed(f, {x}) : f({x});
    return sum(y * w + y * v);
  };
  loss(false).backward();
  const Tensor expected[] = {x.grad().clone(), w.grad().clone(), v.grad().clone()};
  for (Variable leaf : {x, w, v}) leaf.zero_grad();
  runs = 0;
  const Variable y = loss(true);
  CHECK(runs == 1);
  y.backward();
  CHECK(runs == 2);
  CHECK(same_bits(x.grad(), expected[0]));
  CHECK(same_bits(w.grad(), expected[1]));
  CHECK(same_bits(v.grad(), expected[2]));
}

TEST_CASE("a UNet's gradients are the same bits at every level of checkpointing", "[checkpoint][unet2d]") {
  for (const double dropout : {0.0, 0.3})
    for (const char* scale_shift : {"default", "scale_shift"}) {
      CAPTURE(dropout, scale_shift);
      nn::UNet2D unet(config(dropout, scale_shift), nn::Init::random(1));
      const Result kept = step(unet, GradientCheckpointing::none, 8);
      for (const GradientCheckpointing level : {GradientCheckpointing::norms, GradientCheckpointing::blocks}) {
        const Result again = step(unet, level, 8);
        CHECK(same_bits(again.loss, kept.loss));
        REQUIRE(again.gradients.size() == kept.gradients.size());
        for (size_t i = 0; i < kept.gradients.size(); ++i) CHECK(same_bits(again.gradients[i], kept.gradients[i]));
      }
    }
}

TEST_CASE("checkpointing takes less memory", "[checkpoint][unet2d]") {
  nn::UNet2D unet(config(0, "default"), nn::Init::random(1));
  step(unet, GradientCheckpointing::none, 32);  // gradients have their memory from here on
  size_t peaks[3];
  for (int i = 0; i < 3; ++i) peaks[i] = step(unet, kLevels[i], 32).peak;
  std::printf("peak memory of a step, 2 images of 32 x 32: %zu kB kept, %zu kB without norms, %zu kB without blocks\n",
              peaks[0] / 1000, peaks[1] / 1000, peaks[2] / 1000);
  CHECK(static_cast<double>(peaks[1]) < 0.8 * static_cast<double>(peaks[0]));
  CHECK(static_cast<double>(peaks[2]) < 0.8 * static_cast<double>(peaks[1]));
}

TEST_CASE("dropout masks of the second run are those of the first", "[checkpoint][dropout]") {
  const nn::Dropout dropout(0.5);
  const Variable x(Tensor::full({1000}, 1, DType::f32), true);
  const nn::Training training(5, 6);
  const Variable before = dropout(x);
  const Variable y = nn::checkpointed([&](const Inputs& in) { return dropout(dropout(in[0])); }, {x});
  const Variable after = dropout(x);
  CHECK_FALSE(same_bits(before.value(), after.value()));
  sum(y).backward();
  CHECK(same_bits(x.grad(), y.value()));  // of ones: both are the masks, multiplied
  const Variable next = dropout(x);      // the second run has not moved the count
  nn::Training straight(5, 6);
  for (int i = 0; i < 4; ++i) dropout(x);
  CHECK(same_bits(dropout(x).value(), next.value()));
}

TEST_CASE("levels of checkpointing have names", "[checkpoint][errors]") {
  CHECK(nn::gradient_checkpointing_named("norms") == GradientCheckpointing::norms);
  CHECK_THROWS_WITH(nn::gradient_checkpointing_named("all"),
                    "gradient checkpointing must be none, norms or blocks, got \"all\"");
}
