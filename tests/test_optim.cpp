// The optimisers, their moving average and their learning rates, against PyTorch and diffusers
// (golden/make_optim.py) and against the formulas in double.
#include <cstring>

#include "core/parallel.h"
#include "data/safetensors.h"
#include "kernels/adamw.h"
#include "kernels/ema.h"
#include "kernels/sgd.h"
#include "kernels/sum_squares.h"
#include "nn/optim/clip.h"
#include "nn/optim/learning_rate.h"
#include "nn/optim/optimizer.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using nn::ParameterArena;

namespace {

using Named = std::vector<std::pair<std::string, Variable>>;
const char* const kNames[] = {"conv.weight", "conv.bias", "scale"};

const data::SafetensorsFile& golden() {
  static const auto file = data::SafetensorsFile::open(IMAGO_GOLDEN_DIR "/optim.safetensors");
  return file;
}

void load_into(ParameterArena& arena, Tensor& flat, const std::string& prefix) {
  for (const auto& entry : arena.entries())
    ParameterArena::part(flat, entry).copy_from(golden().load(prefix + entry.name));
}

double gap(const ParameterArena& arena, const Tensor& flat, const std::string& prefix) {
  double worst = 0;
  for (const auto& entry : arena.entries())
    worst = std::max(
        worst, difference(ParameterArena::part(flat, entry), golden().load(prefix + entry.name)));
  return worst;
}

// Runs the golden file's four updates, gradients clipped to norm 2, and compares parameters,
// averages and norms.
template <typename Optimiser, typename Options>
void check_against_torch(const std::string& kind, double lr, const Options& options) {
  CAPTURE(kind);
  Named parameters;
  for (const char* name : kNames)
    parameters.emplace_back(name, Variable(golden().load(std::string("start/") + name), true));
  ParameterArena arena(parameters);
  Optimiser optimiser(arena, options);
  nn::Ema average(arena);
  const std::vector<double> norms = golden().load(kind + "/norms").to_vector<double>();
  for (int k = 0; k < 4; ++k) {
    load_into(arena, arena.gradients(), concat("gradient", k, "/"));
    const nn::GradientClip clip = nn::clip_grad_norm(arena, 2);
    CHECK(clip.norm == Approx(norms[static_cast<size_t>(k)]).epsilon(1e-6));
    CHECK((clip.scale == 1) == (clip.norm < 2 - 1e-6));
    optimiser.step(lr, {.gradient_scale = clip.scale, .ema = &average});
  }
  CHECK(optimiser.steps() == 4);
  CHECK(average.steps() == 4);
  CHECK(gap(arena, arena.values(), kind + "/") < 1e-6);
  CHECK(gap(arena, average.values(), kind + "/ema/") < 1e-6);
}

}  // namespace

TEST_CASE("optimisers agree with PyTorch", "[optim][golden]") {
  check_against_torch<nn::Sgd>("sgd", 0.1, nn::SgdOptions{.weight_decay = 0.01});
  check_against_torch<nn::Sgd>("sgd_momentum", 0.1,
                               nn::SgdOptions{.momentum = 0.9, .weight_decay = 0.01});
  check_against_torch<nn::Sgd>("sgd_nesterov", 0.1,
                               nn::SgdOptions{.momentum = 0.9, .nesterov = true});
  check_against_torch<nn::Adam>("adam", 0.01, nn::AdamOptions{.beta2 = 0.99, .weight_decay = 0.1});
  check_against_torch<nn::AdamW>("adamw", 0.01,
                                 nn::AdamWOptions{.beta1 = 0.95, .weight_decay = 0.1});
}

TEST_CASE("adamw follows its formula", "[optim][adamw]") {
  for (const int64_t n : {0, 1, 31, 33, 100003}) {
    Tensor w = randn({n}, DType::f64, 1), m = randn({n}, DType::f64, 2),
           v = randn({n}, DType::f64, 3), ema = w.clone();
    for (double& x : v.span<double>()) x *= x;
    const Tensor g = randn({n}, DType::f64, 4), w0 = w.clone(), m0 = m.clone(), v0 = v.clone();
    const kernels::AdamWArguments a{
        .lr = 0.1, .weight_decay = 0.2, .step = 3, .gradient_scale = 0.5, .ema_decay = 0.75};
    const uint64_t version = w.version();
    kernels::adamw(w, g, m, v, ema, a);
    CHECK(w.version() == version + 1);
    double worst = 0;
    const auto values = [](const Tensor& t) { return t.to_vector<double>(); };
    const std::vector<double> gs = values(g), w0s = values(w0), m0s = values(m0), v0s = values(v0);
    const std::vector<double> ws = values(w), ms = values(m), vs = values(v), emas = values(ema);
    for (size_t i = 0; i < ws.size(); ++i) {
      const double d = 0.5 * gs[i], w1 = w0s[i];
      const double m1 = 0.9 * m0s[i] + 0.1 * d,
                   v1 = 0.999 * v0s[i] + 0.001 * d * d;
      const double mhat = m1 / (1 - std::pow(0.9, 3)), vhat = v1 / (1 - std::pow(0.999, 3));
      const double w2 = w1 * (1 - 0.1 * 0.2) - 0.1 * mhat / (std::sqrt(vhat) + 1e-8);
      worst = std::max({worst, std::abs(ws[i] - w2),
                        std::abs(ms[i] - m1), std::abs(vs[i] - v1),
                        std::abs(emas[i] - (0.75 * w1 + 0.25 * w2))});
    }
    CAPTURE(n);
    CHECK(worst < 1e-9);
  }
}

TEST_CASE("adamw in f32 agrees with f64", "[optim][adamw][agreement]") {
  for (const bool decoupled : {false, true}) {
    Tensor w = randn({1003}, DType::f32), m = Tensor::zeros_like(w), v = Tensor::zeros_like(w),
           none;
    Tensor w64 = w.to(DType::f64), m64 = m.to(DType::f64), v64 = v.to(DType::f64);
    for (int step = 1; step <= 3; ++step) {
      const Tensor g = randn({1003}, DType::f32, static_cast<uint64_t>(step));
      const kernels::AdamWArguments a{
          .lr = 0.01, .weight_decay = 0.1, .decoupled = decoupled, .step = step};
      kernels::adamw(w, g, m, v, none, a);
      kernels::adamw(w64, g.to(DType::f64), m64, v64, none, a);
    }
    CHECK(difference(w, w64) < tolerance(DType::f32));
  }
}

TEST_CASE("adamw clips by a norm that stays on its device", "[optim][adamw][clip]") {
  for (const double max_norm : {0.5, 1e6}) {
    CAPTURE(max_norm);
    const Tensor g = randn({1003}, DType::f32, 7);
    const Tensor squared = kernels::sum_squares(g);
    const double factor = kernels::clip_factor(std::sqrt(squared.item()), max_norm);
    CHECK((factor == 1) == (max_norm > 1000));
    Tensor w = randn({1003}, DType::f32), m = Tensor::zeros_like(w), v = Tensor::zeros_like(w), none;
    Tensor w2 = w.clone(), m2 = m.clone(), v2 = v.clone(), b = m.clone(), b2 = m.clone();
    kernels::adamw(w, g, m, v, none, {.lr = 0.1, .gradient_scale = 0.5, .clip = {squared, max_norm}});
    kernels::adamw(w2, g, m2, v2, none, {.lr = 0.1, .gradient_scale = 0.5 * factor});
    CHECK(difference(m, m2) < 1e-6);
    CHECK(difference(v, v2) < 1e-6);
    CHECK(difference(w, w2) < 1e-6);
    kernels::sgd(w, g, b, {.lr = 0.1, .momentum = 0.9, .clip = {squared, max_norm}});
    kernels::sgd(w2, g, b2, {.lr = 0.1, .momentum = 0.9, .gradient_scale = factor});
    CHECK(difference(b, b2) < 1e-6);
    CHECK(difference(w, w2) < 1e-6);
  }
}

TEST_CASE("adamw leaves a bf16 copy and zeroed gradients", "[optim][adamw]") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t n : {1, 31, 64, 20003}) {
      CAPTURE(dtype, n);
      Tensor w = randn({n}, dtype, 1), m = randn({n}, dtype, 2), v = Tensor::full({n}, 1, dtype), ema = w.clone();
      Tensor w2 = w.clone(), m2 = m.clone(), v2 = v.clone(), ema2 = ema.clone();
      const Tensor g = randn({n}, dtype, 4), kept = g.clone();
      const Tensor shadow({n}, DType::bf16);
      const uint64_t version = g.version();
      kernels::adamw(w, g, m, v, ema, {.ema_decay = 0.5, .shadow = shadow, .zero_gradient = true});
      kernels::adamw(w2, kept, m2, v2, ema2, {.ema_decay = 0.5});
      CHECK(difference(w, w2) == 0);
      CHECK(difference(ema, ema2) == 0);
      CHECK(difference(shadow, w.to(DType::bf16)) == 0);
      CHECK(difference(g, Tensor::zeros({n}, dtype)) == 0);
      CHECK(g.version() == version + 1);
    }
}

TEST_CASE("adamw takes the numbers of its update from its device, or leaves it out", "[optim][adamw]") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const bool wanted : {true, false}) {
      CAPTURE(dtype, wanted);
      const kernels::AdamWArguments here{
          .lr = 0.1, .weight_decay = 0.2, .step = 3, .ema_decay = 0.75, .zero_gradient = true};
      kernels::AdamWUpdate update{.numbers = kernels::numbers_of(here), .wanted = wanted};
      std::vector<uint8_t> bytes(sizeof update);
      std::memcpy(bytes.data(), &update, sizeof update);
      const Tensor memory = Tensor::from<uint8_t>(bytes, {static_cast<int64_t>(bytes.size())});
      kernels::AdamWArguments there{.lr = 77, .weight_decay = 0.2, .zero_gradient = true};
      there.update_at = static_cast<const kernels::AdamWUpdate*>(memory.raw());

      struct Buffers {
        Tensor w, g, m, v, ema;
        explicit Buffers(DType dtype)
            : w(randn({1003}, dtype, 1)), g(randn({1003}, dtype, 4)), m(randn({1003}, dtype, 2)),
              v(Tensor::full({1003}, 1, dtype)), ema(w.clone()) {}
        void step(const kernels::AdamWArguments& a) { kernels::adamw(w, g, m, v, ema, a); }
      };
      Buffers expected(dtype), got(dtype);
      if (wanted) expected.step(here);
      got.step(there);
      CHECK(difference(got.w, expected.w) == 0);
      CHECK(difference(got.m, expected.m) == 0);
      CHECK(difference(got.v, expected.v) == 0);
      CHECK(difference(got.ema, expected.ema) == 0);
      CHECK(difference(got.g, Tensor::zeros({1003}, dtype)) == 0);
      if (wanted) continue;
      Buffers kept(dtype);
      there.zero_gradient = false;
      kept.step(there);
      CHECK(difference(kept.g, Buffers(dtype).g) == 0);
    }
}

TEST_CASE("a step clips and zeroes by itself", "[optim][clip]") {
  const auto run = [](auto make, bool by_itself) {
    ParameterArena arena({{"w", Variable(randn({137}, DType::f32), true)}});
    auto optimiser = make(arena);
    for (uint64_t k = 1; k <= 3; ++k) {
      arena.gradients().copy_from(randn(arena.gradients().shape(), DType::f32, k));
      if (by_itself) {
        optimiser.step(0.1, {.max_norm = 1, .zero_gradient = true});
        CHECK(difference(arena.gradients(), arena.zeros()) == 0);
      } else {
        optimiser.step(0.1, {.gradient_scale = nn::clip_grad_norm(arena, 1).scale});
      }
    }
    return arena.values();
  };
  const auto adam = [](ParameterArena& a) { return nn::AdamW(a); };
  const auto sgd = [](ParameterArena& a) { return nn::Sgd(a, {.momentum = 0.9}); };
  CHECK(difference(run(adam, true), run(adam, false)) < 1e-6);
  CHECK(difference(run(sgd, true), run(sgd, false)) < 1e-6);
}

TEST_CASE("an optimiser resumes from its state", "[optim]") {
  const auto make = [] { return Named{{"w", Variable(randn({37}, DType::f32), true)}}; };
  ParameterArena whole(make()), resumed(make());
  nn::AdamW a(whole), b(resumed);
  const auto feed = [](nn::Optimizer& o, uint64_t k) {
    o.arena().gradients().copy_from(randn(o.arena().gradients().shape(), DType::f32, k));
    o.step(0.01);
  };
  feed(a, 1);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(a.state()[i].first == (i ? "exp_avg_sq" : "exp_avg"));
    b.state()[i].second.copy_from(a.state()[i].second);
  }
  resumed.values().copy_from(whole.values());
  b.set_steps(a.steps());
  feed(a, 2);
  feed(b, 2);
  CHECK(difference(whole.values(), resumed.values()) == 0);
}

TEST_CASE("the moving average warms up as diffusers' does", "[optim][ema]") {
  const double expected[] = {0, 0.40540, 0.56131, 0.64645, 0.70093};
  for (int k = 1; k <= 5; ++k) CHECK(nn::ema_decay({}, k) == Approx(expected[k - 1]).margin(5e-6));
  CHECK(nn::ema_decay({}, int64_t{1} << 40) == 0.9999);
  CHECK(nn::ema_decay({.update_after_step = 10}, 11) == 0);
  CHECK(nn::ema_decay({.update_after_step = 10}, 12) == Approx(0.40540).margin(5e-6));
  CHECK(nn::ema_decay({.min_decay = 0.6}, 2) == 0.6);
  CHECK(nn::ema_decay({.warmup = false}, 2) == Approx(2.0 / 11));
}

TEST_CASE("the moving average starts as a copy and keeps a constant constant", "[optim][ema]") {
  ParameterArena arena({{"w", Variable(randn({1001}, DType::f32), true)}});
  nn::Ema average(arena);
  arena.values().copy_from(randn(arena.values().shape(), DType::f32, 5));
  average.update();
  CHECK(difference(average.values(), arena.values()) == 0);
  for (int i = 0; i < 100; ++i) average.update();
  CHECK(difference(average.values(), arena.values()) == 0);
  CHECK(average.steps() == 101);
}

TEST_CASE("learning rates agree with diffusers", "[optim][learning_rate][golden]") {
  const std::pair<const char*, nn::LearningRateSchedule> cases[] = {
      {"constant_with_warmup", nn::LearningRateSchedule::constant},
      {"linear", nn::LearningRateSchedule::linear},
      {"cosine", nn::LearningRateSchedule::cosine},
  };
  for (const auto& [name, schedule] : cases) {
    const std::vector<double> rates =
        golden().load(std::string("learning_rate/") + name).to_vector<double>();
    const nn::LearningRateOptions options{
        .peak = 0.5, .schedule = schedule, .warmup_steps = 3, .total_steps = 12};
    for (size_t k = 0; k < rates.size(); ++k) {
      CAPTURE(name, k);
      CHECK(nn::learning_rate(options, static_cast<int64_t>(k)) == Approx(rates[k]).margin(1e-12));
    }
    CHECK(nn::learning_rate(options, 0) == 0);
  }
  CHECK(nn::learning_rate({.peak = 0.5}, 0) == 0.5);
  CHECK(nn::learning_rate_schedule("cosine") == nn::LearningRateSchedule::cosine);
  CHECK_THROWS_WITH(nn::learning_rate_schedule("step"),
                    "learning_rate_schedule: name must be constant, linear or cosine, got step");
}

TEST_CASE("clip_grad_norm scales down to the norm and never up", "[optim][clip]") {
  ParameterArena arena({{"w", Variable(Tensor::zeros({4}), true)}});
  ParameterArena::part(arena.gradients(), arena.entries()[0])
      .copy_from(Tensor::from<float>({3, 0, 0, 4}, {4}));
  CHECK(nn::clip_grad_norm(arena, 1).norm == 5);
  CHECK(nn::clip_grad_norm(arena, 1).scale == Approx(1 / 5.000001));
  CHECK(nn::clip_grad_norm(arena, 10).scale == 1);
  CHECK_THROWS_WITH(nn::clip_grad_norm(arena, 0),
                    "clip_grad_norm: max_norm must be positive, got 0");
}

TEST_CASE("optimisers name the bad argument", "[optim][errors]") {
  ParameterArena arena({{"w", Variable(Tensor::zeros({4}), true)}});
  nn::AdamW optimiser(arena);
  const Tensor average = arena.zeros();
  {
    const nn::EmaScope scope(arena, average);
    CHECK_THROWS_WITH(optimiser.step(0.1),
                      "step: the parameters are swapped for others, close the EmaScope first");
  }
  CHECK_THROWS_WITH(nn::Adam(arena, {.beta1 = 1}),
                    "Adam: beta1 and beta2 must be in [0, 1), got 1 and 0.999");
  CHECK_THROWS_WITH(nn::Sgd(arena, {.nesterov = true}), "Sgd: nesterov needs a momentum");
  CHECK_THROWS_WITH(nn::Ema(arena, {.max_decay = 2}), Contains("0 <= min_decay <= max_decay <= 1"));
  Tensor w = randn({4}), short_one = randn({3}), none;
  CHECK_THROWS_WITH(kernels::adamw(w, short_one, w, w, none, {}),
                    "adamw: g must be (4) f64, got (3) f64");
  CHECK_THROWS_WITH(kernels::adamw(w, w, w, w, none, {.clip = {w}}),
                    "adamw: squared_norm must be one f64, got (4) f64");
  CHECK_THROWS_WITH(kernels::adamw(w, w, w, w, none, {.clip = {Tensor::zeros({}, DType::f64), 0}}),
                    "adamw: max_norm must be positive, got 0");
  CHECK_THROWS_WITH(kernels::adamw(w, w, w, w, none, {.shadow = short_one}),
                    "adamw: shadow must be (4) bf16, got (3) f64");
  CHECK_THROWS_WITH(kernels::adamw(w, w, w, w, none, {.step = 0}),
                    "adamw: step must be at least 1, got 0");
  CHECK_THROWS_WITH(kernels::sgd(w, w, short_one, {.momentum = 0.5}),
                    "sgd: momentum_buffer must be (4) f64, got (3) f64");
  CHECK_THROWS_WITH(kernels::ema(w, short_one, 0.5), "ema: ema must be (3) f64, got (4) f64");
}
