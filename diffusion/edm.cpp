#include "diffusion/edm.h"

#include <cmath>

#include "autograd/functions.h"
#include "kernels/binary.h"
#include "kernels/fill_random.h"
#include "kernels/scale.h"
#include "kernels/unary.h"
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
  const double sigma_data = options_.sigma_data;
  Tensor log_sigma({N}, DType::f64, x0.device());
  kernels::fill_normal(log_sigma, key.stream(kTimestepStream), options_.P_std, key.first_image);
  log_sigma = kernels::scale(log_sigma, 1, options_.P_mean);
  const auto divide = [](const Tensor& a, const Tensor& b) { return kernels::binary(BinaryOp::div, a, b); };
  const Tensor sigma = kernels::unary(UnaryOp::exp, log_sigma), square = kernels::binary(BinaryOp::mul, sigma, sigma);
  const Tensor root = kernels::unary(UnaryOp::sqrt, kernels::scale(square, 1, sigma_data * sigma_data));
  const Tensor c_in = divide(Tensor::full({N}, 1, DType::f64, x0.device()), root), noise_in = divide(sigma, root);

  // Input and target are both sums of x_0 and noise, image by image: c_in x_0 + c_in sigma epsilon, and
  // ((1 - c_skip) x_0 - c_skip sigma epsilon) / c_out, where what x_0 and epsilon are multiplied by boils down to
  // c_in sigma / sigma_data and -c_in sigma_data.
  const uint64_t image_size = N ? static_cast<uint64_t>(x0.numel() / N) : 0;
  const Noise noise(key.stream(kNoiseStream), key.first_image * image_size);
  const auto mix = [&](const Tensor& alpha, const Tensor& beta) {
    return kernels::add_noise(x0, noise, {}, alpha.to(DType::f32), beta.to(DType::f32));
  };
  return {.input = mix(c_in, noise_in),
          .target = mix(kernels::scale(noise_in, 1 / sigma_data), kernels::scale(c_in, -sigma_data)),
          .sigma = sigma.to(DType::f32),
          .c_noise = kernels::scale(log_sigma, 0.25).to(DType::f32)};
}

Variable EdmDenoiser::training_loss(const Tensor& x0, const BatchKey& key) const {
  const Batch batch = training_batch(x0, key);
  const nn::Training training(key.mask_seed(), key.step, key.step_at);
  return mse_loss(network_(batch.input, batch.c_noise), batch.target);
}

}  // namespace imago::diffusion
