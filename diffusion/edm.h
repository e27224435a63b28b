// Preconditioning and training of Karras et al. 2022, "Elucidating the design space of diffusion-based generative
// models" (arXiv:2206.00364). The network F is wrapped so that, for data of deviation sigma_data and at every noise
// level sigma, what it sees and what it is to say have unit variance, and its errors count as little as possible:
//   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
// where x = x_0 + sigma epsilon and D is to say x_0.
#pragma once

#include <functional>

#include "autograd/variable.h"
#include "diffusion/training_loss.h"

namespace imago::diffusion {

// Table 1, last column.
struct Preconditioning {
  double c_skip, c_out, c_in, c_noise;
  Preconditioning(double sigma, double sigma_data);
};

struct EdmOptions {
  double sigma_data = 0.5;               // the deviation of the images' pixels
  double P_mean = -1.2, P_std = 1.2;     // training: log(sigma) is normal
};

// The network F as the denoiser D. F is told c_noise = log(sigma) / 4, f32, for a time step.
class EdmDenoiser {
 public:
  explicit EdmDenoiser(TrainedModel network, const EdmOptions& options = {})
      : network_(std::move(network)), options_(options) {}
  const EdmOptions& options() const { return options_; }

  // D(x; sigma): x (N, ...), sigma (N), f32.
  Variable operator()(const Variable& x, const Tensor& sigma) const;

  // lambda(sigma) of equation 8, (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 = 1 / c_out^2.
  double loss_weight(double sigma) const;

  struct Batch {
    Tensor input, target;   // of F, (N, ...)
    Tensor sigma, c_noise;  // (N), f32
  };
  // x_0 (N, ...) with noise. In terms of F, whose target is (x_0 - c_skip x) / c_out, the loss has weight
  // lambda c_out^2 = 1.
  Batch training_batch(const Tensor& x0, const BatchKey& key) const;
  // E lambda(sigma) |D(x_0 + sigma epsilon; sigma) - x_0|^2, equation 2, ready for backward().
  Variable training_loss(const Tensor& x0, const BatchKey& key) const;

 private:
  TrainedModel network_;
  EdmOptions options_;
};

}  // namespace imago::diffusion
