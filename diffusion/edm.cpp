#include "diffusion/edm.h"

#include <cmath>
#include <numeric>

#include "autograd/functions.h"
#include "core/random.h"
#include "nn/training.h"

namespace imago::diffusion {
namespace {

// f of each image's preconditioning, (N) f32.
template <typename F>
Tensor for_each_sigma(const std::vector<float>& sigmas, double sigma_data, Device device, F f) {
  std::vector<float> values;
  for (const float sigma : sigmas) values.push_back(static_cast<float>(f(sigma, Preconditioning(sigma, sigma_data))));
  return Tensor::from<float>(values, {static_cast<int64_t>(values.size())}, device);
}

// As a factor of x: (N, 1, ...) of its type.
Tensor column(const Tensor& values, const Tensor& x) {
  Shape shape = x.shape();
  for (int axis = 1; axis < x.rank(); ++axis) shape = shape.with(axis, 1);
  return values.to(x.dtype()).reshape(shape);
}

}  // namespace

Preconditioning::Preconditioning(double sigma, double sigma_data) {
  const double variance = sigma * sigma + sigma_data * sigma_data;
  c_skip = sigma_data * sigma_data / variance;
  c_out = sigma * sigma_data / std::sqrt(variance);
  c_in = 1 / std::sqrt(variance);
  c_noise = std::log(sigma) / 4;
}

double EdmDenoiser::loss_weight(double sigma) const {
  const double c_out = Preconditioning(sigma, options_.sigma_data).c_out;
  return 1 / (c_out * c_out);
}

Variable EdmDenoiser::operator()(const Variable& x, const Tensor& sigma) const {
  const Tensor& image = x.value();
  IMAGO_CHECK(image.rank() >= 1 && sigma.shape() == Shape{image.dim(0)} && sigma.dtype() == DType::f32,
              "EdmDenoiser: sigma must be (N) f32 for x (N, ...), got ", sigma.shape(), " ", sigma.dtype(), " for ",
              image.shape());
  const std::vector<float> sigmas = sigma.to_vector<float>();
  const auto each = [&](auto f) { return for_each_sigma(sigmas, options_.sigma_data, image.device(), f); };
  const auto factor = [&](auto f) { return Variable(column(each(f), image)); };
  using P = Preconditioning;
  const Variable said = network_(factor([](double, const P& p) { return p.c_in; }) * x,
                                 each([](double, const P& p) { return p.c_noise; }));
  return factor([](double, const P& p) { return p.c_skip; }) * x +
         factor([](double, const P& p) { return p.c_out; }) * said;
}

EdmDenoiser::Batch EdmDenoiser::training_batch(const Tensor& x0, const BatchKey& key) const {
  IMAGO_CHECK(x0.defined() && x0.rank() >= 1, "EdmDenoiser: x0 must be (N, ...), got ", x0.shape());
  const int64_t N = x0.dim(0);
  Tensor drawn({N}, DType::f32, Device::cpu);
  fill_normal(drawn, {.seed = key.seed, .stream = kTimestepStream, .step = key.step}, options_.P_std, key.first_image);
  std::vector<float> sigmas = drawn.to_vector<float>();
  for (float& sigma : sigmas) sigma = static_cast<float>(std::exp(sigma + options_.P_mean));

  // Input and target are both sums of x_0 and noise, image by image: each image is its own time step of a schedule.
  std::vector<int64_t> order(sigmas.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const Tensor t = Tensor::from<int64_t>(order, {N}, x0.device());
  const uint64_t image_size = N ? static_cast<uint64_t>(x0.numel() / N) : 0;
  const Noise noise({.seed = key.seed, .stream = kNoiseStream, .step = key.step}, key.first_image * image_size);
  const auto each = [&](auto f) { return for_each_sigma(sigmas, options_.sigma_data, x0.device(), f); };
  using P = Preconditioning;
  const Tensor input = kernels::add_noise(x0, noise, t, each([](double, const P& p) { return p.c_in; }),
                                          each([](double sigma, const P& p) { return p.c_in * sigma; }));
  const Tensor target =
      kernels::add_noise(x0, noise, t, each([](double, const P& p) { return (1 - p.c_skip) / p.c_out; }),
                         each([](double sigma, const P& p) { return -p.c_skip * sigma / p.c_out; }));
  return {.input = input,
          .target = target,
          .sigma = Tensor::from<float>(sigmas, {N}, x0.device()),
          .c_noise = each([](double, const P& p) { return p.c_noise; })};
}

Variable EdmDenoiser::training_loss(const Tensor& x0, const BatchKey& key) const {
  const Batch batch = training_batch(x0, key);
  const nn::Training training(key.seed, key.step);
  return mse_loss(network_(batch.input, batch.c_noise), batch.target);
}

}  // namespace imago::diffusion
