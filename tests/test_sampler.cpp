// Training losses and sampling, with models whose answers are known.
#include "autograd/no_grad.h"
#include "core/parallel.h"
#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "diffusion/sampler.h"
#include "diffusion/simple_scheduler.h"
#include "diffusion/trajectory.h"
#include "diffusion/training_loss.h"
#include "nn/training.h"
#include "kernels/concat.h"
#include "kernels/scale.h"
#include "kernels/timestep_embedding.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using namespace imago::diffusion;

namespace {

// A clean image in [-1, 1], and the model that always means this image.
struct Oracle {
  Tensor image;
  const Scheduler& scheduler;

  Tensor operator()(const Tensor& x_t, const Tensor& t) const {
    const double bar = scheduler.alphas_cumprod()[static_cast<size_t>(t.to_vector<int64_t>()[0])];
    Tensor epsilon = Tensor::empty_like(x_t);
    for (int64_t i = 0; i < x_t.numel(); ++i)
      epsilon.data<float>()[i] = static_cast<float>(
          (x_t.data<float>()[i] - std::sqrt(bar) * image.data<float>()[i % image.numel()]) /
          std::sqrt(1 - bar));
    return epsilon;
  }
};

Tensor picture(const Shape& shape) {
  Tensor x(shape);
  fill_uniform(x, {.seed = 9}, -1, 1);
  return x;
}

// A model that is no oracle but says something different everywhere.
Tensor fickle(const Tensor& x_t, const Tensor& t) {
  Tensor y = x_t.clone();
  for (float& v : y.span<float>())
    v = std::sin(3 * v + static_cast<float>(t.to_vector<int64_t>()[0]));
  return y;
}

// The same as work of the device alone.
Tensor fickle_on_device(const Tensor& x_t, const Tensor& t) {
  const Tensor told = kernels::timestep_embedding(t, x_t.dim(-1)).reshape({x_t.dim(0), 1, 1, x_t.dim(-1)});
  return (tanh(3.0 * Variable(x_t) + Variable(told)) * 0.9).value();
}
// And what it would have to say about the variance behind it.
Tensor fickle_about_variance(const Tensor& x_t, const Tensor& t) {
  const Tensor mean = fickle_on_device(x_t, t);
  return kernels::concat({mean, mean});
}

}  // namespace

TEST_CASE("sampling with a model that knows the image ends at the image", "[sampler]") {
  const Tensor image = picture({4, 4, 3});
  for (const char* name : {"DDPMScheduler", "DDIMScheduler"})
    for (const double eta : {0.0, 1.0}) {
      CAPTURE(name, eta);
      const std::unique_ptr<Scheduler> scheduler = make_scheduler(name);
      const Tensor x =
          sample(Oracle{image, *scheduler}, *scheduler, {2, 4, 4, 3}, {.steps = 20, .eta = eta});
      for (int64_t n = 0; n < 2; ++n)
        CHECK(difference(x.slice(n, n + 1).reshape({4, 4, 3}), image) < 1e-3);
    }
}

TEST_CASE("samples are a function of seed and image number", "[sampler]") {
  DDPMScheduler scheduler;
  const auto draw = [&](int64_t n, uint64_t first, uint64_t seed = 1) {
    return sample(fickle, scheduler, {n, 3, 3, 3},
                  {.steps = 10, .seed = seed, .first_image = first});
  };
  const Tensor whole = draw(5, 0);
  CHECK(difference(draw(3, 2), whole.slice(2, 5)) == 0);
  CHECK(difference(draw(5, 0, 2), whole) > 0.1);
  const int before = thread_count();
  set_thread_count(3);
  CHECK(difference(draw(5, 0), whole) == 0);
  set_thread_count(before);
  CHECK(draw(0, 0).shape() == Shape{0, 3, 3, 3});
}

TEST_CASE("sampling draws its noise as the scheduler wants it", "[sampler]") {
  DDPMScheduler scheduler;
  scheduler.set_timesteps(4);
  const Shape shape{2, 3, 3, 3};
  RandomKey key{.seed = 5, .stream = kSampleStream};
  Trajectory way(scheduler, imago::randn(shape, key));
  while (!way.done()) {
    ++key.step;
    way.advance(fickle(way.x(), way.timesteps()), imago::randn(shape, key));
  }
  CHECK(difference(sample(fickle, scheduler, shape, {.steps = 4, .seed = 5}), way.x()) == 0);
}

TEST_CASE("sampling by a graph gives the same bits, step by step", "[sampler][graph]") {
  struct Case {
    const char* scheduler;
    double eta = 0;
    VarianceType variance = VarianceType::fixed_small;
  };
  for (const auto& [name, eta, variance] : {
           Case{"DDPMScheduler"}, Case{"DDIMScheduler"}, Case{"DDIMScheduler", 0.7},
           Case{"DDPMScheduler", 0, VarianceType::learned_range}, Case{"DPMSolverMultistepScheduler"},
           Case{"PNDMScheduler"}, Case{"EulerDiscreteScheduler"}, Case{"EulerAncestralDiscreteScheduler"},
           Case{"HeunDiscreteScheduler"}}) {
    CAPTURE(name, eta);
    SchedulerConfig config;
    config.variance_type = variance;
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(name, config);
    const Model model = variance == VarianceType::fixed_small ? fickle_on_device : fickle_about_variance;
    struct Seen {
      int64_t step, total;
      double t;
      Tensor x, x0;
    };
    const auto draw = [&](bool graph, std::vector<Seen>* seen) {
      SampleCallback progress;
      if (seen)
        progress = [=](const SampleProgress& p) {
          seen->push_back({p.step, p.total, p.t, p.x.clone(), p.x0.clone()});
        };
      return sample(model, *scheduler, {3, 4, 5, 4},
                    {.steps = 6, .eta = eta, .seed = 7, .first_image = 2, .graph = graph}, progress);
    };
    std::vector<Seen> eager, graphed;
    const Tensor expected = draw(false, &eager);
    CHECK(difference(draw(true, &graphed), expected) == 0);
    CHECK(difference(draw(true, nullptr), expected) == 0);
    REQUIRE(graphed.size() == eager.size());
    for (size_t i = 0; i < eager.size(); ++i) {
      CHECK(graphed[i].step == eager[i].step);
      CHECK(graphed[i].total == eager[i].total);
      CHECK(graphed[i].t == eager[i].t);
      CHECK(difference(graphed[i].x, eager[i].x) == 0);
      CHECK(difference(graphed[i].x0, eager[i].x0) == 0);
    }
  }
  // What takes the host is done step by step, whatever is asked for.
  DDPMScheduler thresholding({.thresholding = true});
  const auto draw = [&](Scheduler& scheduler, SampleOptions options, bool graph) {
    options.steps = 4, options.graph = graph;
    return sample(fickle_on_device, scheduler, {2, 4, 4, 4}, options);
  };
  CHECK(difference(draw(thresholding, {}, true), draw(thresholding, {}, false)) == 0);
  DDPMScheduler plain;
  CHECK(difference(draw(plain, {.torch_seed = 3}, true), draw(plain, {.torch_seed = 3}, false)) == 0);
  CHECK(draw(plain, {}, true).shape() == Shape{2, 4, 4, 4});
}

TEST_CASE("sampling reports every step", "[sampler]") {
  DDIMScheduler scheduler;
  std::vector<double> seen;
  const auto model = [](const Tensor& x_t, const Tensor& t) {
    CHECK_FALSE(grad_enabled());
    CHECK(t.shape() == Shape{2});
    return fickle(x_t, t);
  };
  const auto progress = [&](const SampleProgress& p) {
    CHECK(p.step == static_cast<int64_t>(seen.size()) + 1);
    CHECK(p.total == 3);
    CHECK(p.x.shape() == Shape{2, 3, 3, 3});
    CHECK(p.x0.shape() == Shape{2, 3, 3, 3});
    seen.push_back(p.t);
  };
  sample(model, scheduler, {2, 3, 3, 3}, {.timesteps = {900, 500, 3}}, progress);
  CHECK(seen == std::vector<double>{900, 500, 3});
}

TEST_CASE("samplers whose time steps need not be integers tell the model so", "[sampler]") {
  for (const std::string& sampler : sampler_names()) {
    const auto scheduler = make_scheduler(scheduler_class(sampler));
    std::vector<double> told;
    const auto model = [&](const Tensor& x_t, const Tensor& t) {
      CHECK(t.dtype() == (scheduler->integer_timesteps() ? DType::i64 : DType::f32));
      CHECK(t.shape() == Shape{2});
      told.push_back(t.to_vector<double>()[1]);
      return kernels::scale(x_t, 0.5);
    };
    sample(model, *scheduler, {2, 3, 3, 3}, {.steps = 7});
    REQUIRE(told.size() == scheduler->timesteps().size());
    for (size_t k = 0; k < told.size(); ++k) CHECK(told[k] == Approx(scheduler->timesteps()[k]).epsilon(1e-6));
  }
}

TEST_CASE("a batch that PyTorch's generator draws is drawn whole", "[sampler][errors]") {
  DDPMScheduler scheduler;
  CHECK_THROWS_WITH(sample(fickle, scheduler, {1, 3, 3, 3}, {.steps = 2, .first_image = 1, .torch_seed = 0}),
                    Contains("first_image must be 0 with torch_seed, got 1"));
}

TEST_CASE("the training loss of a perfect model is zero, of a silent one one", "[training_loss]") {
  const Tensor x0 = picture({64, 8, 8, 3});
  for (const PredictionType type :
       {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction}) {
    CAPTURE(name_of(type));
    const DDPMScheduler scheduler({.prediction_type = type});
    const TrainingBatch batch = training_batch(scheduler, x0, {.seed = 1, .step = 2});
    const auto perfect = [&](const Variable& x_t, const Tensor& t) {
      CHECK(difference(x_t.value(), batch.x_t) == 0);
      CHECK(difference(t, batch.t) == 0);
      return Variable(batch.target);
    };
    CHECK(training_loss(perfect, scheduler, x0, {.seed = 1, .step = 2}).value().item() == 0);
  }
  const DDPMScheduler scheduler;
  const auto silent = [](const Variable& x_t, const Tensor&) { return 0.0 * x_t; };
  CHECK(training_loss(silent, scheduler, x0, {}).value().item() == Approx(1).epsilon(0.05));
}

TEST_CASE("a training batch drawn in parts equals the batch, and each step draws anew",
          "[training_loss]") {
  const DDPMScheduler scheduler;
  const Tensor x0 = picture({5, 3, 3, 3});
  const TrainingBatch whole = training_batch(scheduler, x0, {.seed = 1, .step = 7});
  const TrainingBatch tail =
      training_batch(scheduler, x0.slice(2, 5), {.seed = 1, .step = 7, .first_image = 2});
  CHECK(difference(tail.x_t, whole.x_t.slice(2, 5)) == 0);
  CHECK(difference(tail.target, whole.target.slice(2, 5)) == 0);
  CHECK(difference(tail.t, whole.t.slice(2, 5)) == 0);
  CHECK(difference(training_batch(scheduler, x0, {.seed = 1, .step = 8}).target, whole.target) >
        0.1);
  CHECK(difference(training_batch(scheduler, x0, {.seed = 1, .step = 8}).t, whole.t) > 0);

  const Tensor t = training_batch(scheduler, Tensor::zeros({4000, 1}), {}).t;
  const std::vector<int64_t> steps = t.to_vector<int64_t>();
  CHECK(*std::min_element(steps.begin(), steps.end()) < 5);
  CHECK(*std::max_element(steps.begin(), steps.end()) > 994);
  CHECK(*std::max_element(steps.begin(), steps.end()) < 1000);
}

TEST_CASE("loss weights follow the signal-to-noise ratio", "[training_loss]") {
  for (const PredictionType type :
       {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction}) {
    const DDPMScheduler scheduler({.prediction_type = type});
    const Tensor x0 = Tensor::zeros({50, 1}, DType::f64);
    const TrainingBatch plain = training_batch(scheduler, x0, {});
    const TrainingBatch snr =
        training_batch(scheduler, x0, {}, {.weights = loss_weights(scheduler, LossWeighting::snr)});
    const TrainingBatch clamped =
        training_batch(scheduler, x0, {}, {.weights = loss_weights(scheduler, LossWeighting::min_snr)});
    CHECK_FALSE(plain.weight.defined());
    for (int64_t i = 0; i < 50; ++i) {
      const double bar =
          scheduler.alphas_cumprod()[static_cast<size_t>(plain.t.data<int64_t>()[i])];
      const double ratio = bar / (1 - bar), min_ratio = std::min(ratio, 5.0);
      CHECK(snr.weight.data<double>()[i] == Approx(ratio));
      CHECK(clamped.weight.data<double>()[i] ==
            Approx(type == PredictionType::epsilon  ? min_ratio / ratio
                   : type == PredictionType::sample ? min_ratio
                                                    : min_ratio / (ratio + 1)));
    }
  }
}

TEST_CASE("a batch of bytes is the batch of their pixels, and its step may lie on the device",
          "[training_loss]") {
  Tensor bytes({6, 5, 4, 3}, DType::u8, Device::cpu);
  for (int64_t i = 0; i < bytes.numel(); ++i)
    bytes.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  const PickedImages x0{.images = bytes.to(default_device()),
                        .rows = Tensor::from<int64_t>({5, 0, 2}, {3}),
                        .pad_to = 8};
  const Tensor clean = kernels::pick_images(x0, true), seven = Tensor::from<int32_t>({7}, {1});
  const auto* address = static_cast<const uint32_t*>(seven.raw());
  for (const PredictionType type :
       {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction}) {
    const DDPMScheduler scheduler({.prediction_type = type});
    const LossOptions options{.weights = loss_weights(scheduler, LossWeighting::min_snr)};
    const TrainingBatch expected = training_batch(scheduler, clean, {.seed = 1, .step = 9}, options);
    for (const TrainingBatch& got :
         {training_batch(scheduler, x0, {.seed = 1, .step = 9}, options),
          training_batch(scheduler, x0, {.seed = 1, .step = 2, .step_at = address}, options),
          training_batch(scheduler, clean, {.seed = 1, .step = 2, .step_at = address}, options)}) {
      CHECK(difference(got.x_t, expected.x_t) == 0);
      CHECK(difference(got.target, expected.target) == 0);
      CHECK(difference(got.t, expected.t) == 0);
      CHECK(difference(got.weight, expected.weight) == 0);
    }
  }
  const SimpleScheduler simple;
  const SimpleScheduler::Batch expected = simple.corrupted_batch(clean, {.seed = 1, .step = 9}),
                               got = simple.corrupted_batch(
                                   clean, {.seed = 1, .step = 2, .step_at = address});
  CHECK(difference(got.x, expected.x) == 0);
  CHECK(difference(got.amount, expected.amount) == 0);

  const DDPMScheduler scheduler;
  CHECK_THROWS_WITH(training_batch(scheduler, clean, {}, {.weights = Tensor::zeros({9})}),
                    "training_batch: weights must be (1000), got (9)");
}

TEST_CASE("the training loss trains", "[training_loss]") {
  const DDPMScheduler scheduler;
  const Tensor x0 = picture({8, 4, 4, 3});
  Variable factor(Tensor::full({1}, 0.5), true);
  const auto model = [&](const Variable& x_t, const Tensor&) { return x_t * factor; };
  for (const LossKind kind : {LossKind::mse, LossKind::l1, LossKind::huber}) {
    factor.zero_grad();
    training_loss(model, scheduler, x0, {}, {.kind = kind}).backward();
    CHECK(factor.grad().defined());
    CHECK(factor.grad().item() < 0);  // x_t is mostly noise: more of it is better
  }
}

TEST_CASE("the simple scheduler mixes, and its sampling walks to the prediction",
          "[simple_scheduler]") {
  const SimpleScheduler scheduler;
  const Tensor x0 = Tensor::full({3, 2, 2, 1}, 2), noise = Tensor::full({3, 2, 2, 1}, 10);
  const Tensor mixed = scheduler.corrupt(x0, noise, Tensor::from<float>({0, 0.25f, 1}, {3}));
  CHECK(mixed.slice(0, 1).to_vector<float>() == std::vector<float>(4, 2));
  CHECK(mixed.slice(1, 2).to_vector<float>() == std::vector<float>(4, 4));
  CHECK(mixed.slice(2, 3).to_vector<float>() == std::vector<float>(4, 10));

  const Tensor image = picture({2, 3, 3, 1});
  std::vector<double> gaps;
  const auto progress = [&](const SampleProgress& p) { gaps.push_back(difference(p.x, image)); };
  const Tensor x =
      scheduler.sample([&](const Tensor&) { return image; }, {2, 3, 3, 1}, {.steps = 4}, progress);
  CHECK(difference(x, image) < 1e-6);
  REQUIRE(gaps.size() == 4);
  for (size_t i = 1; i < 4; ++i)
    CHECK(gaps[i] / gaps[0] == Approx(static_cast<double>(3 - i) / 3).margin(1e-5));

  const auto loss = scheduler.training_loss([&](const Variable&) { return Variable(x0); }, x0, {});
  CHECK(loss.value().item() == 0);
  const SimpleScheduler::Batch batch =
      scheduler.corrupted_batch(Tensor::zeros({500, 1}), {.seed = 3});
  for (int64_t i = 0; i < 500; ++i) {
    const float amount = batch.amount.data<float>()[i], value = batch.x.data<float>()[i];
    CHECK((amount >= 0 && amount < 1 && value >= 0 && value <= amount));
  }
  CHECK_THROWS_WITH(
      scheduler.corrupt(x0, noise, Tensor::zeros({2})),
      "SimpleScheduler: amount must be (N) f32 for x0 (N, ...), got (2) f32 for (3, 2, 2, 1)");
}

TEST_CASE("dropout drops while a loss is computed, as the key says, and not afterwards",
          "[sampler][dropout]") {
  const nn::Dropout half(0.5);
  const DDPMScheduler scheduler;
  const SimpleScheduler simple;
  const Variable scale(Tensor::full({1}, 0.5), true);
  const Tensor x0 = picture({2, 8, 8, 1});
  const auto losses = [&](bool drops, const BatchKey& key) {
    const auto model = [&](const Variable& x) { return drops ? half(x * scale) : x * scale; };
    const auto told = [&](const Variable& x, const Tensor&) { return model(x); };
    return std::pair(training_loss(told, scheduler, x0, key).value().item(),
                     simple.training_loss(model, x0, key).value().item());
  };
  const BatchKey key{.seed = 3, .step = 4};
  const auto [with, simple_with] = losses(true, key);
  const auto [without, simple_without] = losses(false, key);
  CHECK(with != without);
  CHECK(simple_with != simple_without);
  CHECK(losses(true, key) == std::pair(with, simple_with));

  // The mask depends on seed and step: what the model answers to ones differs.
  const auto mask = [&](const BatchKey& k) {
    std::vector<float> seen;
    const auto spy = [&](const Variable& x, const Tensor&) {
      seen = half(Tensor::full(x.shape(), 1)).value().to_vector<float>();
      return x * scale;
    };
    training_loss(spy, scheduler, x0, k);
    return seen;
  };
  CHECK(mask(key) == mask(key));
  CHECK(mask(key) != mask({.seed = 3, .step = 5}));
  CHECK(mask(key) != mask({.seed = 4, .step = 4}));
  CHECK_FALSE(nn::Training::next_mask());
}
