// A whole training step of a UNet as a graph: forward, backward, clipping by the norm, AdamW and the moving average,
// with memory planned by a dry run.
#include "core/device_memory.h"
#include "core/graph.h"
#include "core/memory_plan.h"
#include "nn/optim/optimizer.h"
#include "nn/unet2d.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const nn::UNet2DConfig kTiny = {
    .sample_size = nn::ImageSize{8, 8},
    .in_channels = 1,
    .out_channels = 1,
    .down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
    .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
    .block_out_channels = {8, 16},
    .layers_per_block = 1,
    .attention_head_dim = 8,
    .norm_num_groups = 4,
};

struct Training {
  nn::UNet2D unet{kTiny, nn::Init::random(1)};
  nn::ParameterArena arena{nn::named_parameters(unet)};
  nn::AdamW optimizer{arena};
  nn::Ema ema{arena};
  Tensor x, t, target;
  Tensor loss;

  explicit Training(int64_t batch)
      : x(randn({batch, 8, 8, 1}, DType::f32, 2)),
        t(Tensor::full({batch}, 7, DType::i64)),
        target(randn({batch, 8, 8, 1}, DType::f32, 3)) {}

  void forward_backward() {
    const Variable error = mse_loss(unet(x, t), target);
    error.backward();
    loss = error.value();
  }
  void step() {
    arena.zero_grad();
    forward_backward();
    optimizer.step(1e-3, {.max_norm = 1, .ema = &ema});
  }
};

}  // namespace

TEST_CASE("a training step of a UNet has the bits of an eager one", "[graph]") {
  const Device device = default_device();
  Training eager(2), graphed(2);
  const auto step = [&] { graphed.step(); };
  const MemoryTrace trace = dry_run(device, step);
  graphed.optimizer.set_steps(0);  // what the dry run has counted
  graphed.ema.set_steps(0);
  const MemoryPlan plan = plan_memory(trace);
  CAPTURE(plan.bytes, plan.lower_bound, trace.blocks.size());
  CHECK(static_cast<double>(plan.bytes) <= 1.05 * static_cast<double>(plan.lower_bound));

  Graph graph = Graph::capture(device, plan, step);
  eager.step();
  graph.launch();
  CHECK(graphed.loss.item() == eager.loss.item());
  // In parentheses: thousands of numbers are not worth printing.
  for (const auto& [mine, theirs] : {std::pair(graphed.arena.values(), eager.arena.values()),
                                     std::pair(graphed.arena.gradients(), eager.arena.gradients()),
                                     std::pair(graphed.ema.values(), eager.ema.values())})
    CHECK((mine.to_vector<float>() == theirs.to_vector<float>()));
}

TEST_CASE("activations grow with the batch, parameters do not", "[graph][memory_plan]") {
  const Device device = default_device();
  Training training(1);
  const auto need = [&](int64_t batch) {
    return dry_run(device, [&] {
             const Tensor x({batch, 8, 8, 1}), t({batch}, DType::i64);
             mse_loss(training.unet(x, t), Tensor::empty_like(x)).backward();
           }).peak();
  };
  const size_t one = need(1), eight = need(8);
  CHECK(eight > 5 * one);
  CHECK(eight < 12 * one);
}
