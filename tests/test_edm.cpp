// Karras et al.'s preconditioning and its training loss, with networks whose answers are known.
#include "diffusion/edm.h"
#include "diffusion/edm_schedulers.h"
#include "diffusion/sampler.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using namespace imago::diffusion;

namespace {

const Shape kShape{6, 4, 4, 2};

// Says something different everywhere, of both arguments.
Variable fickle(const Variable& x, const Tensor& c_noise) {
  const Tensor t = c_noise.to(x.value().dtype()).reshape({x.value().dim(0), 1, 1, 1});
  return tanh(x * 0.7 + Variable(t));
}

}  // namespace

TEST_CASE("preconditioning gives unit variance to what the network sees and says", "[edm]") {
  for (const double sigma_data : {0.5, 1.0})
    for (const double sigma : {0.002, 0.1, 0.5, 3.0, 80.0}) {
      CAPTURE(sigma, sigma_data);
      const Preconditioning p(sigma, sigma_data);
      const double x0 = sigma_data * sigma_data, noise = sigma * sigma;  // variances
      CHECK(p.c_in * p.c_in * (x0 + noise) == Approx(1));
      CHECK(((1 - p.c_skip) * (1 - p.c_skip) * x0 + p.c_skip * p.c_skip * noise) / (p.c_out * p.c_out) == Approx(1));
      CHECK(p.c_noise == Approx(std::log(sigma) / 4));
      CHECK(EdmDenoiser(fickle, {.sigma_data = sigma_data}).loss_weight(sigma) ==
            Approx((noise + x0) / std::pow(sigma * sigma_data, 2)));
    }
}

TEST_CASE("EDM's loss is the denoiser's weighted error", "[edm]") {
  const EdmDenoiser denoiser(fickle);
  const Tensor x0 = randn(kShape, DType::f64, 1);
  const BatchKey key{.seed = 3, .step = 5};
  const EdmDenoiser::Batch batch = denoiser.training_batch(x0, key);
  std::vector<double> weights;
  Tensor x = batch.input.clone();  // c_in x
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double sigma = batch.sigma.data<float>()[i / (x.numel() / 6)];
    if (i % (x.numel() / 6) == 0) weights.push_back(denoiser.loss_weight(sigma));
    x.data<double>()[i] /= Preconditioning(sigma, 0.5).c_in;
  }
  const Variable error = mse_loss(denoiser(x, batch.sigma), x0, Tensor::from<double>(weights, {6}));
  CHECK(denoiser.training_loss(x0, key).value().item() == Approx(error.value().item()).epsilon(1e-4));
}

TEST_CASE("EDM's training batch has the noise levels that it should, and can be drawn in parts", "[edm]") {
  const EdmDenoiser denoiser(fickle, {.P_mean = -0.5, .P_std = 2});
  const Tensor x0 = randn(kShape, DType::f32, 1);
  const EdmDenoiser::Batch whole = denoiser.training_batch(x0, {.seed = 1, .step = 7});
  const EdmDenoiser::Batch tail =
      denoiser.training_batch(x0.slice(2, 6), {.seed = 1, .step = 7, .first_image = 2});
  CHECK(difference(tail.input, whole.input.slice(2, 6)) == 0);
  CHECK(difference(tail.target, whole.target.slice(2, 6)) == 0);
  CHECK(difference(tail.sigma, whole.sigma.slice(2, 6)) == 0);
  CHECK(difference(denoiser.training_batch(x0, {.seed = 1, .step = 8}).target, whole.target) > 0.1);

  const Tensor seven = Tensor::from<int32_t>({7}, {1});  // the step on the device
  const EdmDenoiser::Batch same = denoiser.training_batch(
      x0, {.seed = 1, .step_at = static_cast<const uint32_t*>(seven.raw())});
  CHECK(difference(same.input, whole.input) == 0);
  CHECK(difference(same.sigma, whole.sigma) == 0);

  const EdmDenoiser::Batch many = denoiser.training_batch(Tensor::zeros({4000, 1}), {});
  double mean = 0, square = 0;
  for (int64_t i = 0; i < 4000; ++i) {
    const double log_sigma = std::log(many.sigma.data<float>()[i]);
    CHECK(many.c_noise.data<float>()[i] == Approx(log_sigma / 4).margin(1e-6));
    mean += log_sigma / 4000, square += log_sigma * log_sigma / 4000;
  }
  CHECK(mean == Approx(-0.5).margin(0.1));
  CHECK(std::sqrt(square - mean * mean) == Approx(2).margin(0.1));
}

TEST_CASE("EDM's loss trains, and a perfect network has none", "[edm]") {
  const Tensor x0 = randn(kShape, DType::f32, 1);
  const BatchKey key{.seed = 3};
  const Tensor target = EdmDenoiser(fickle).training_batch(x0, key).target;
  const EdmDenoiser perfect([&](const Variable&, const Tensor&) { return Variable(target); });
  CHECK(perfect.training_loss(x0, key).value().item() == 0);

  const Variable factor(Tensor::full({1}, 0.5), true);
  const EdmDenoiser learning([&](const Variable& x, const Tensor&) { return x * factor; });
  const Variable loss = learning.training_loss(x0, key);
  loss.backward();
  CHECK(loss.value().item() > 0);
  CHECK(std::abs(factor.grad().item()) > 0);
}

TEST_CASE("a network that knows the image is sampled to it by EDM's schedulers", "[edm][sampler]") {
  const Tensor image = randn({1, 4, 4, 3}, DType::f32, 4);
  // F = (x_0 - c_skip x) / c_out, of c_in x
  const auto network = [&](const Tensor& input, const Tensor& c_noise) {
    const Preconditioning p(std::exp(4 * c_noise.to_vector<double>()[0]), 0.5);
    Tensor said = Tensor::empty_like(input);
    for (int64_t i = 0; i < input.numel(); ++i)
      said.data<float>()[i] = static_cast<float>(
          (image.data<float>()[i % image.numel()] - p.c_skip * input.data<float>()[i] / p.c_in) / p.c_out);
    return said;
  };
  for (const char* name : {"EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"}) {
    CAPTURE(name);
    const auto scheduler = make_scheduler(name);
    const Tensor x = sample(network, *scheduler, {2, 4, 4, 3}, {.steps = 12});
    for (int64_t n = 0; n < 2; ++n) CHECK(difference(x.slice(n, n + 1), image) < 1e-3);
  }
}

TEST_CASE("EDM names the bad argument", "[edm][errors]") {
  const EdmDenoiser denoiser(fickle);
  CHECK_THROWS_WITH(denoiser(randn(kShape), Tensor::zeros({5})),
                    "EdmDenoiser: sigma must be (N) f32 for x (N, ...), got (5) f32 for (6, 4, 4, 2)");
  CHECK_THROWS_WITH(denoiser.training_batch({}, {}), Contains("EdmDenoiser: x0 must be (N, ...), got"));
}
