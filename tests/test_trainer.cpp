// Training steps and their checkpoints.
#include "data/input_file.h"
#include "data/safetensors.h"
#include "diffusion/trainer.h"
#include "kernels/fill_random.h"
#include "nn/linear.h"
#include "nn/training.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using diffusion::Trainer;
using diffusion::TrainerOptions;

namespace {

const diffusion::Settings kSettings = {{"seed", "1"}, {"model", "linear"}};

const TrainerOptions kPlain{.learning_rate = {.peak = 0.01}, .ema = {}};
const TrainerOptions kAveraged{.learning_rate = {.peak = 0.01},
                               .ema = nn::EmaOptions{.max_decay = 0.9}};

// A layer and its trainer.
struct Run {
  nn::Linear model;
  nn::Dropout half{0.5};
  Trainer trainer;

  explicit Run(const TrainerOptions& options, uint64_t seed = 0, int64_t in = 3)
      : model(nn::Init::random(seed), in, 2), trainer(model, options), in_(in) {}

  Variable loss(uint64_t batch) const {
    return mse_loss(model(randn({5, in_}, DType::f32, batch)), randn({5, 2}, DType::f32, batch));
  }
  void train(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) trainer.step([&] { return loss(static_cast<uint64_t>(trainer.steps())); });
  }
  // A checkpoint's bytes: parameters, moments, average and counters.
  std::string bytes() const {
    const TemporaryFolder folder;
    trainer.save(folder / "state", kSettings);
    return data::read_file(folder / "state");
  }

 private:
  int64_t in_;
};

// A loss of `value` whose gradient is `slope` for every weight.
Variable made_up_loss(const Run& run, float value, double slope) {
  const Variable weight = nn::named_parameters(run.model).front().second;
  const auto backward = [shape = weight.shape(), slope](const Tensor&, Needs) -> Grads {
    return {Tensor::full(shape, slope)};
  };
  return record("made_up", Tensor::full({}, value), {weight}, backward);
}

using State = std::vector<std::pair<std::string, Tensor>>;

State tensors_of(const std::string& path) {
  const auto file = data::SafetensorsFile::open(path);
  State out;
  for (const std::string& name : file.names()) out.emplace_back(name, file.load(name));
  return out;
}

std::map<std::string, std::string> metadata_of(const std::string& path) {
  return data::SafetensorsFile::open(path).metadata();
}

const std::string kAdvice = "; resume with the same flags or start a new run";

}  // namespace

TEST_CASE("training lowers the loss and counts its steps", "[trainer]") {
  Run run(kAveraged);
  const double before = run.loss(0).value().item();
  for (int i = 0; i < 100; ++i) run.trainer.step([&] { return run.loss(0); });
  CHECK(run.trainer.steps() == 100);
  CHECK(run.loss(0).value().item() < 0.8 * before);
  const double trained = run.loss(0).value().item();
  {
    const auto average = run.trainer.averaged_weights();
    CHECK(run.loss(0).value().item() != trained);
  }
  CHECK(run.loss(0).value().item() == trained);
}

TEST_CASE("what is not finite throws and changes nothing", "[trainer][errors]") {
  Run run(kAveraged);
  run.train(2);
  const std::string before = run.bytes();
  const auto step = [&](float value, double slope) {
    run.trainer.step([&] { return made_up_loss(run, value, slope); });
  };
  CHECK_THROWS_WITH(step(INFINITY, 1),
                    "training: the loss of step 3 is inf; a lower learning rate may help");
  CHECK_THROWS_WITH(step(NAN, 1),
                    "training: the loss of step 3 is nan; a lower learning rate may help");
  CHECK_THROWS_WITH(step(1, INFINITY),
                    "training: the gradient's norm at step 3 is inf, and the first gradient that is not "
                    "finite is that of weight; a lower learning rate may help");
  CHECK_THROWS_WITH(step(NAN, NAN),
                    "training: the loss of step 3 is nan, and the first gradient that is not finite is "
                    "that of weight; a lower learning rate may help");
  CHECK(run.bytes() == before);
  CHECK(run.trainer.steps() == 2);
  run.train(1);
  Run straight(kAveraged);
  straight.train(3);
  CHECK(run.bytes() == straight.bytes());
}

TEST_CASE("a trainer tells of its steps in order, and what they were", "[trainer]") {
  Run run(kAveraged), alone(kAveraged);
  std::vector<diffusion::TrainStep> told;
  run.trainer.on_step([&](const diffusion::TrainStep& step) { told.push_back(step); });
  const int64_t steps = 300;  // windows of numbers come and go
  for (int64_t k = 0; k < steps; ++k)
    run.trainer.queue([&] { return run.loss(static_cast<uint64_t>(k)); });
  CHECK(run.trainer.steps() == steps);
  run.trainer.settle();
  REQUIRE(told.size() == static_cast<size_t>(steps));
  for (const diffusion::TrainStep& step : told) {
    const int64_t k = step.step - 1;
    const diffusion::TrainStep expected =
        alone.trainer.step([&] { return alone.loss(static_cast<uint64_t>(k)); });
    CHECK(step.step == expected.step);
    CHECK(step.loss == expected.loss);
    CHECK(step.grad_norm == expected.grad_norm);
    CHECK(step.learning_rate == expected.learning_rate);
  }
  CHECK(run.bytes() == alone.bytes());
}

TEST_CASE("an exception on the way leaves no trace", "[trainer][errors]") {
  Run run(kAveraged), straight(kAveraged);
  run.train(2), straight.train(3);
  CHECK_THROWS_WITH(run.trainer.queue([&]() -> Variable {
    run.loss(2).backward();
    fail("out of ideas");
  }), "out of ideas");
  CHECK(run.trainer.steps() == 2);
  run.train(1);
  CHECK(run.bytes() == straight.bytes());
}

TEST_CASE("steps launched as a graph are the same bits", "[trainer][graph]") {
  for (const double limit : {0.0, 0.1}) {
    CAPTURE(limit);
    TrainerOptions options = kAveraged;
    options.max_grad_norm = limit;
    options.learning_rate = {.peak = 0.01,
                             .schedule = nn::LearningRateSchedule::cosine,
                             .warmup_steps = 5,
                             .total_steps = 200};
    Run eager(options);
    options.graph = true;
    Run graphed(options);
    // What differs from step to step is drawn by the step's counter; two batch sizes take turns.
    int calls = 0;
    const auto train = [&](Run& run, int64_t steps) {
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t size = i % 3 == 2 ? 7 : 5;
        run.trainer.queue(
            [&, size] {
              ++calls;
              Tensor x({size, 3}), y({size, 2});
              kernels::fill_normal(x, {.seed = 1, .step_at = run.trainer.step_at()});
              kernels::fill_normal(y, {.seed = 2, .step_at = run.trainer.step_at()});
              const nn::Training training(3, 0, run.trainer.step_at());
              return mse_loss(run.half(run.model(x)), y);
            },
            size);
      }
      run.trainer.settle();
    };
    train(eager, 100), train(eager, 50);
    CHECK(calls == 150);
    calls = 0;
    train(graphed, 100);  // and the sizes start over
    const TemporaryFolder folder;
    graphed.trainer.save(folder / "state", kSettings);
    train(graphed, 50);
    CHECK(calls == 4);  // twice for each size
    CHECK(graphed.bytes() == eager.bytes());

    // A run that goes on from a checkpoint captures anew.
    Run resumed(options, 9);
    resumed.trainer.load(folder / "state", kSettings);
    train(resumed, 50);
    CHECK(resumed.bytes() == graphed.bytes());
  }
}

TEST_CASE("a step in parts is the step of the whole batch", "[trainer][graph]") {
  const int64_t parts = 4, size = 3, steps = 12;
  for (const bool graph : {false, true}) {
    CAPTURE(graph);
    TrainerOptions options = kAveraged;
    options.graph = graph;
    Run whole(options);
    options.gradient_accumulation_steps = parts;
    Run split(options);
    // Images [begin, end) of the batch that the step's counter names.
    const auto loss = [](Run& run, int64_t begin, int64_t end) {
      Tensor x({parts * size, 3}), y({parts * size, 2});
      kernels::fill_normal(x, {.seed = 1, .step_at = run.trainer.step_at()});
      kernels::fill_normal(y, {.seed = 2, .step_at = run.trainer.step_at()});
      return mse_loss(run.model(x.slice(begin, end)), y.slice(begin, end));
    };
    std::vector<double> losses[2];
    whole.trainer.on_step([&](const diffusion::TrainStep& step) { losses[0].push_back(step.loss); });
    split.trainer.on_step([&](const diffusion::TrainStep& step) { losses[1].push_back(step.loss); });
    for (int64_t k = 0; k < steps; ++k) {
      whole.trainer.queue([&] { return loss(whole, 0, parts * size); });
      split.trainer.queue([&](int64_t part) { return loss(split, part * size, (part + 1) * size); });
    }
    whole.trainer.settle(), split.trainer.settle();
    REQUIRE(losses[1].size() == static_cast<size_t>(steps));
    for (size_t k = 0; k < losses[0].size(); ++k) CHECK(losses[1][k] == Approx(losses[0][k]).epsilon(1e-5));
    CHECK(difference(split.trainer.arena().values(), whole.trainer.arena().values()) < 1e-4);
  }
  TrainerOptions none;
  none.gradient_accumulation_steps = 0;
  CHECK_THROWS_WITH(Run(none), "Trainer: gradient_accumulation_steps must be at least 1, got 0");
}

TEST_CASE("a graph's step that is not finite stops and changes nothing", "[trainer][graph][errors]") {
  TrainerOptions options = kAveraged;
  options.graph = true;
  Run run(options);
  Tensor factor = Tensor::full({1}, 1);  // of the loss; changed from outside
  int64_t told = 0;
  run.trainer.on_step([&](const diffusion::TrainStep&) { ++told; });
  const Tensor x = randn({5, 3}, DType::f32), y = randn({5, 2}, DType::f32);
  const auto queue = [&] { run.trainer.queue([&] { return mse_loss(run.model(x) * Variable(factor), y); }); };
  for (int i = 0; i < 5; ++i) queue();
  run.trainer.settle();
  const std::string before = run.bytes();
  factor.fill(INFINITY);
  CHECK_THROWS_WITH(
      [&] {
        for (int i = 0; i < 40; ++i) queue();
        run.trainer.settle();
      }(),
      Contains("of step 6 is") && Contains("the first gradient that is not finite is that of weight"));
  CHECK(run.trainer.steps() == 5);
  CHECK(told == 5);
  CHECK(run.bytes() == before);
  factor.fill(1);
  for (int i = 0; i < 3; ++i) queue();
  run.trainer.settle();
  CHECK(run.trainer.steps() == 8);
  CHECK(told == 8);
}

TEST_CASE("a checkpoint is not written while steps are under way", "[trainer][errors]") {
  Run run(kPlain);
  const TemporaryFolder folder;
  run.trainer.queue([&] { return run.loss(0); });
  if (default_device() == Device::cuda)
    CHECK_THROWS_WITH(run.trainer.save(folder / "state", {}),
                      "Trainer::save: steps are under way, settle() them first");
  run.trainer.settle();
  run.trainer.save(folder / "state", {});
}

TEST_CASE("gradients are clipped to max_grad_norm", "[trainer]") {
  for (const double limit : {0.0, 1.0, 1000.0}) {
    CAPTURE(limit);
    TrainerOptions options = kPlain;
    options.max_grad_norm = limit;
    Run run(options);
    const double norm = run.trainer.step([&] { return made_up_loss(run, 1, 20); }).grad_norm;
    CHECK(norm == Approx(20 * std::sqrt(6)));
    // The first moment after one step is (1 - beta1) times the clipped gradient.
    const TemporaryFolder folder;
    run.trainer.save(folder / "state", {});
    double squares = 0;
    for (const auto& [name, tensor] : tensors_of(folder / "state"))
      if (name.starts_with("exp_avg/"))
        for (const double m : tensor.to_vector<double>()) squares += m * m;
    CHECK(std::sqrt(squares) == Approx(0.1 * (limit == 1 ? 1 : norm)).epsilon(1e-5));
  }
}

TEST_CASE("a resumed run ends with the bytes of one that never stopped", "[trainer]") {
  for (const TrainerOptions& options : {kPlain, kAveraged}) {
    const TemporaryFolder folder;
    Run first(options, 1), resumed(options, 2);
    first.train(3);
    first.trainer.save(folder / "state", kSettings);
    CHECK(resumed.bytes() != first.bytes());
    resumed.trainer.load(folder / "state", kSettings);
    CHECK(resumed.trainer.steps() == 3);
    CHECK(resumed.bytes() == first.bytes());
    first.train(3);
    resumed.train(3);
    CHECK(resumed.bytes() == first.bytes());
  }
}

TEST_CASE("a checkpoint of something else is refused and changes nothing", "[trainer][errors]") {
  const TemporaryFolder folder;
  const std::string plain = folder / "plain", averaged = folder / "averaged";
  Run run(kPlain), with_average(kAveraged);
  run.train(2), with_average.train(2);
  run.trainer.save(plain, kSettings);
  with_average.trainer.save(averaged, kSettings);

  const auto refuses = [&](Run& into, const std::string& path, const std::string& sentence,
                           const diffusion::Settings& settings = kSettings) {
    const std::string before = into.bytes();
    CHECK_THROWS_WITH(into.trainer.load(path, settings), sentence);
    CHECK(into.bytes() == before);
  };
  Run other(kPlain, 7), other_with_average(kAveraged, 7), wider(kPlain, 7, 4);

  // Other settings.
  refuses(other, plain, plain + ": was saved with seed 1, this run has 2" + kAdvice,
          {{"seed", "2"}});
  refuses(other, plain, plain + ": was saved with depth nothing, this run has 3" + kAdvice,
          {{"depth", "3"}});
  // Another model.
  refuses(wider, plain, plain + ": exp_avg/weight must be (2, 4) f32, got (2, 3) f32");
  // An average that is wanted and not there, and the other way round.
  refuses(other_with_average, plain, "safetensors: " + plain + ": there is no tensor 'ema/weight'");
  refuses(other, averaged, averaged + ": this run has no place for ema/bias" + kAdvice);
  // One tensor too many, one too few, one of another shape: the last one that is read.
  const State good = tensors_of(plain);
  REQUIRE(good.back().first == "weights/weight");
  State more = good, less = good, odd = good;
  more.emplace_back("weights/scale", Tensor::zeros({2}));
  less.pop_back();
  for (auto& [name, tensor] : odd)
    if (name == "weights/bias") tensor = Tensor::zeros({5});
  const std::string file = folder / "made up";
  data::save_safetensors(file, more, metadata_of(plain));
  refuses(other, file, file + ": this run has no place for weights/scale" + kAdvice);
  data::save_safetensors(file, less, metadata_of(plain));
  refuses(other, file, "safetensors: " + file + ": there is no tensor 'weights/weight'");
  data::save_safetensors(file, odd, metadata_of(plain));
  refuses(other, file, file + ": weights/bias must be (2) f32, got (5) f32");
  // No counters.
  data::save_safetensors(file, good, {kSettings.begin(), kSettings.end()});
  refuses(other, file, file + ": not a trainer's checkpoint: its metadata has no number 'step'");
}
