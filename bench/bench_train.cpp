// Whole training steps (forward, mean squared error, backward, Adam) of BasicUNet on 28x28 and of a time UNet on 32x32.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/harness.h"
#include "core/random.h"
#include "nn/basic_unet.h"
#include "nn/optim/optimizer.h"
#include "nn/unet2d.h"

using namespace imago;

namespace {

using MakeModel = std::function<std::unique_ptr<nn::Denoiser>(const nn::Init&)>;

std::unique_ptr<nn::Denoiser> basic_unet(const nn::Init& init) { return std::make_unique<nn::BasicUNet>(init); }

std::unique_ptr<nn::Denoiser> time_unet(const nn::Init& init) {
  nn::UNet2DConfig config;
  config.in_channels = config.out_channels = 1;
  config.block_out_channels = {32, 64, 64};
  config.down_block_types = {"DownBlock2D", "DownBlock2D", "AttnDownBlock2D"};
  config.up_block_types = {"AttnUpBlock2D", "UpBlock2D", "UpBlock2D"};
  return std::make_unique<nn::UNet2D>(config, init);
}

struct Batch {
  Tensor x, t, target;

  Batch(int64_t N, int64_t size)
      : x(rand({N, size, size, 1}, {.seed = 1})), t(randint({N}, {.seed = 2}, 1000)),
        target(randn({N, size, size, 1}, {.seed = 3})) {}
};

// Loss and gradients land in the model's parameters.
double forward_backward(const nn::Denoiser& model, const Batch& batch) {
  const Variable loss = mse_loss(model(Variable(batch.x), batch.t), batch.target);
  loss.backward();
  return loss.value().item();
}

struct Trainer {
  std::unique_ptr<nn::Denoiser> model;
  nn::ParameterArena arena;
  nn::Adam optimizer;
  Batch batch;

  Trainer(const MakeModel& make, int64_t N, int64_t size)
      : model(make(nn::Init::random(1))), arena(nn::named_parameters(*model)), optimizer(arena), batch(N, size) {}

  void step() {
    arena.zero_grad();
    forward_backward(*model, batch);
    optimizer.step(1e-3);
  }
};

// Largest gap between the gradients of the first step in f32 and in f64, over two images, relative to the largest
// gradient.
double gradient_error(const MakeModel& make, int64_t size) {
  const std::unique_ptr<nn::Denoiser> narrow = make(nn::Init::random(1)), wide = make(nn::Init::none(DType::f64));
  const nn::NamedParameters a = nn::named_parameters(*narrow);
  nn::NamedParameters b = nn::named_parameters(*wide);
  for (size_t i = 0; i < a.size(); ++i) b[i].second.set_value(a[i].second.value().to(DType::f64));
  const Batch batch(2, size);
  Batch wide_batch = batch;
  wide_batch.x = batch.x.to(DType::f64), wide_batch.target = batch.target.to(DType::f64);
  forward_backward(*narrow, batch);
  forward_backward(*wide, wide_batch);
  double gap = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> got = a[i].second.grad().to_vector<double>();
    const std::vector<double> expected = b[i].second.grad().to_vector<double>();
    for (size_t k = 0; k < got.size(); ++k) {
      gap = std::max(gap, std::abs(got[k] - expected[k]));
      largest = std::max(largest, std::abs(expected[k]));
    }
  }
  return gap / largest;
}

bench::Case make_case(const std::string& name, const MakeModel& make, int64_t N, int64_t size) {
  const auto trainer = std::make_shared<Trainer>(make, N, size);
  return {
      .name = name,
      .parameters = nlohmann::json{{"kind", name}, {"n", N}, {"size", size}}.dump(),
      .gflop = 0,
      .items = static_cast<double>(N),
      .run = [=] { trainer->step(); },
      .error = [=] { return gradient_error(make, size); },
      .tolerance = 1e-3,
  };
}

std::vector<bench::Case> make_cases(const bench::Options&) {
  return {make_case("basic_unet", basic_unet, 128, 28), make_case("time_unet", time_unet, 64, 32)};
}

}  // namespace

int main(int argc, char** argv) { return bench::bench_main(argc, argv, "training steps", make_cases); }
