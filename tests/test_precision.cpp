// Training in bf16: what is rounded, what is not, and by how much gradients and losses differ from f32.
#include "diffusion/ddpm.h"
#include "diffusion/trainer.h"
#include "diffusion/training_loss.h"
#include "nn/basic_unet.h"
#include "nn/state_dict.h"
#include "nn/unet2d.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using nn::EmaScope;
using nn::ParameterArena;

namespace {

const nn::UNet2DConfig kSmall = {.sample_size = nn::ImageSize{16, 16},
                                 .in_channels = 1,
                                 .out_channels = 1,
                                 .down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
                                 .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
                                 .block_out_channels = {8, 16},
                                 .layers_per_block = 1,
                                 .norm_num_groups = 4};

nn::UNet2DConfig with(const std::function<void(nn::UNet2DConfig&)>& change) {
  nn::UNet2DConfig config = kSmall;
  change(config);
  return config;
}

// On the CPU bf16 is refused, there is nothing to compare.
bool has_bf16() { return default_device() != Device::cpu; }

Tensor images(int64_t n, int64_t size) { return randn({n, size, size, 1}, DType::f32, 5); }

// The gradients of one batch, in an arena that computes in `compute`.
struct Pass {
  Tensor output, gradients;
  std::vector<ParameterArena::Entry> entries;
};
template <typename Model>
Pass pass(const Model& model, std::optional<DType> compute, int64_t size) {
  ParameterArena arena(nn::named_parameters(model), compute);
  const Tensor x = images(3, size), t = Tensor::from({3.0f, 400.0f, 999.0f}, {3});
  const Variable y = model(Variable(x), t);
  mse_loss(y, randn(y.shape(), DType::f32, 6)).backward();
  return {y.value(), arena.gradients(), arena.entries()};
}

double norm(const Tensor& t) {
  double sum = 0;
  for (const double v : t.to_vector<double>()) sum += v * v;
  return std::sqrt(sum);
}

// |a - b| / |b|
double relative_gap(const Tensor& a, const Tensor& b) { return norm((Variable(a) - Variable(b)).value()) / norm(b); }

template <typename Model>
void check_bf16_gradients(const std::function<Model()>& make, int64_t size) {
  const Model exact_model = make(), rounded_model = make();
  const Pass exact = pass(exact_model, std::nullopt, size), rounded = pass(rounded_model, DType::bf16, size);
  CHECK(rounded.output.dtype() == DType::f32);
  CHECK(rounded.gradients.dtype() == DType::f32);
  CHECK(relative_gap(rounded.output, exact.output) < 0.02);
  CHECK(relative_gap(rounded.gradients, exact.gradients) < 0.03);
  const double all = norm(exact.gradients);
  for (const ParameterArena::Entry& entry : exact.entries) {
    const Tensor a = ParameterArena::part(rounded.gradients, entry), b = ParameterArena::part(exact.gradients, entry);
    CAPTURE(entry.name, norm(a), norm(b));
    // What is a sum of large terms that cancel (the keys' bias) is nothing but rounding: measured by all gradients.
    CHECK(norm((Variable(a) - Variable(b)).value()) < 0.06 * norm(b) + 0.01 * all);
  }
}

}  // namespace

TEST_CASE("gradients of a bf16 leaf gather in f32", "[precision]") {
  if (!has_bf16()) return;
  Variable w(Tensor::from({1.0f, 2.0f, 3.0f}, {3}), true);
  Tensor home = Tensor::from({1.0f, 0.0f, 0.0f}, {3});
  w.bind_grad(home);
  w.set_value(w.value().to(DType::bf16));
  CHECK(w.dtype() == DType::bf16);
  sum(w * w).backward();
  CHECK(home.to_vector<float>() == std::vector<float>{3, 4, 6});
  for (int i = 0; i < 256; ++i) sum(w * 0.0078125).backward();  // 3 + 2^-7 is not in bf16
  CHECK(home.to_vector<float>() == std::vector<float>{5, 6, 8});
  CHECK_THROWS_WITH(w.set_value(Tensor::zeros({3}, DType::f64)), "set_value: value must be (3) bf16, got (3) f64");
  w.set_value(Tensor::zeros({3}));
  CHECK(w.dtype() == DType::f32);
}

TEST_CASE("an arena in bf16 keeps f32 and shows what is rounded", "[precision][arena]") {
  if (!has_bf16()) return;
  const Tensor value = randn({5, 7}, DType::f32);
  const Variable w(value.clone(), true);
  ParameterArena arena({{"w", w}}, DType::bf16);
  CHECK(w.dtype() == DType::bf16);
  CHECK(arena.values().dtype() == DType::f32);
  CHECK(difference(w.value(), value.to(DType::bf16)) == 0);
  CHECK(difference(ParameterArena::part(arena.values(), arena.entries()[0]), value) == 0);

  nn::AdamW adamw(arena);
  nn::Sgd sgd(arena);
  for (nn::Optimizer* optimizer : std::initializer_list<nn::Optimizer*>{&adamw, &sgd}) {
    const Tensor before = arena.values().clone();
    arena.zero_grad();
    mean(w * w).backward();
    optimizer->step(1e-3);
    CHECK(difference(arena.values(), before) > 0);
    CHECK(difference(arena.shadow(), arena.values().to(DType::bf16)) == 0);
  }
  const Tensor average = randn(arena.values().shape(), DType::f32, 3);
  {
    const EmaScope scope(arena, average);
    CHECK(w.dtype() == DType::bf16);
    CHECK(difference(w.value(), ParameterArena::part(average, arena.entries()[0]).to(DType::bf16)) == 0);
  }
  {
    const EmaScope scope(arena, average, EmaScope::Show::exactly);
    CHECK(w.dtype() == DType::f32);
    CHECK(difference(w.value(), ParameterArena::part(average, arena.entries()[0])) == 0);
  }
  CHECK(difference(w.value(), arena.shadow().view(0, {5, 7})) == 0);
  CHECK_THROWS_WITH(ParameterArena({{"w", Variable(randn({3}), true)}}, DType::bf16),
                    "ParameterArena: parameters of f64 cannot be computed with in bf16");
}

TEST_CASE("gradients of the UNets in bf16 are those of f32 to rounding", "[precision][unet2d]") {
  if (!has_bf16()) return;
  using nn::UNet2D;
  const nn::UNet2DConfig cases[] = {
      kSmall,
      with([](auto& c) { c.resnet_time_scale_shift = "scale_shift", c.act_fn = "gelu"; }),
      with([](auto& c) { c.time_embedding_type = "fourier"; }),
      with([](auto& c) { c.time_embedding_type = "learned", c.num_train_timesteps = 1000; }),
      with([](auto& c) {
        c.down_block_types = {"ResnetDownsampleBlock2D", "DownBlock2D"};
        c.up_block_types = {"UpBlock2D", "ResnetUpsampleBlock2D"};
        c.mid_block_scale_factor = 2, c.block_out_channels = {6, 10}, c.norm_num_groups = 2;
        c.add_attention = false;
      }),
  };
  for (const nn::UNet2DConfig& config : cases) {
    CAPTURE(config.time_embedding_type, config.resnet_time_scale_shift, config.down_block_types);
    if (config.time_embedding_type == "learned") {  // needs integer time steps
      const UNet2D unet(config, nn::Init::random(1));
      ParameterArena arena(nn::named_parameters(unet), DType::bf16);
      const Tensor t = Tensor::from({int64_t{3}, int64_t{999}}, {2});
      CHECK(unet(Variable(images(2, 16)), t).dtype() == DType::f32);
      continue;
    }
    check_bf16_gradients<UNet2D>([&] { return UNet2D(config, nn::Init::random(1)); }, 8);
  }
  check_bf16_gradients<nn::BasicUNet>([] { return nn::BasicUNet(nn::Init::random(1)); }, 4);
}

TEST_CASE("checkpoints and saved models of a bf16 run are f32", "[precision][trainer]") {
  if (!has_bf16()) return;
  const auto run = [](nn::UNet2D& unet, int64_t steps, diffusion::Trainer& trainer) {
    const auto scheduler = diffusion::make_scheduler("DDPMScheduler", {});
    const auto model = [&](const Variable& x, const Tensor& t) { return unet(x, t); };
    while (trainer.steps() < steps) {
      const auto step = static_cast<uint32_t>(trainer.steps());
      trainer.step(
          [&] { return diffusion::training_loss(model, *scheduler, images(2, 16), {.seed = 1, .step = step}); });
    }
  };
  const diffusion::TrainerOptions options{
      .learning_rate = {.peak = 0.01}, .ema = nn::EmaOptions{.max_decay = 0.9}, .compute = DType::bf16};
  const TemporaryFolder folder;
  nn::UNet2D unet(kSmall, nn::Init::random(1)), resumed(kSmall, nn::Init::random(2));
  diffusion::Trainer first(unet, options), second(resumed, options);
  run(unet, 2, first);
  first.save(folder / "state", {});
  run(unet, 4, first);
  second.load(folder / "state", {});
  run(resumed, 4, second);
  CHECK(difference(first.arena().values(), second.arena().values()) == 0);
  for (const bool average : {false, true}) {
    const auto a = first.stored_weights(average), b = second.stored_weights(average);
    const nn::StateDict saved = nn::state_dict(unet), other = nn::state_dict(resumed);
    for (size_t i = 0; i < saved.size(); ++i) {
      CHECK(saved[i].second.dtype() == DType::f32);
      CHECK(difference(saved[i].second, other[i].second) == 0);
    }
  }
  const auto average = first.averaged_weights();  // and pictures are drawn in bf16
  CHECK(unet.dtype() == DType::bf16);
  CHECK(unet(Variable(images(2, 16)), Tensor::full({}, 5)).dtype() == DType::f32);
}
