// The networks that are measured, and one training or sampling step of each, in parts.
#pragma once

#include <memory>
#include <string>

#include "diffusion/ddpm.h"
#include "nn/arena.h"
#include "nn/optim/optimizer.h"
#include "nn/unet2d.h"

namespace imago::bench {

struct Workload {
  std::string name;
  nn::UNet2DConfig config;
  int64_t batch, size;  // of square images

  Shape images() const { return {batch, size, size, config.in_channels}; }
};

// butterflies: 64x64 colour, 64 to 512 channels, attention at 16x16 and 8x8, batch 32; mnist: the UNet that build/mnist
// trains, batch 128; tiny: for the emulator. Throws on other names. batch 0 stands for the workload's own.
Workload workload_named(const std::string& name, int64_t batch = 0);

enum class Precision : uint8_t { f32, tf32, bf16 };
constexpr const char* name_of(Precision p) {
  return p == Precision::f32 ? "f32" : p == Precision::tf32 ? "tf32" : "bf16";
}
Precision precision_named(const std::string& name);
// What the network's activations are.
constexpr DType dtype_of(Precision p) { return p == Precision::bf16 ? DType::bf16 : DType::f32; }

// A network with everything that training it takes. Data and noise are drawn from fixed seeds; the data stays on the
// device. The whole process computes f32 products in this precision from here on.
class TrainingStep {
 public:
  TrainingStep(const Workload& workload, Precision precision);

  const nn::UNet2D& model() const { return *model_; }
  int64_t parameters() const;
  // Noise, forward, loss; the history is kept until the next call.
  void forward();
  // Gradients of the last forward(), added up.
  void backward();
  // Whether there is one: it needs f32 parameters.
  bool has_optimizer() const { return optimizer_ != nullptr; }
  // Clipping, AdamW and the moving average in one pass, which zeroes the gradients.
  void optimize();
  void zero_gradients();
  double loss() const { return loss_.value().item(); }
  // From x_t to x_{t-1}, at a time step in the middle.
  void sample();

  // One batch and what the network makes of it: what a twin elsewhere is compared with.
  struct Probe {
    Tensor x, t, target, y;
    double loss;
  };
  Probe probe();

 private:
  Workload workload_;
  Precision precision_;
  diffusion::DDPMScheduler scheduler_;
  std::unique_ptr<nn::UNet2D> model_;
  std::unique_ptr<nn::ParameterArena> arena_;
  std::unique_ptr<nn::Ema> ema_;
  std::unique_ptr<nn::AdamW> optimizer_;
  Tensor images_;
  Variable loss_;
  uint32_t step_ = 0;
};

}  // namespace imago::bench
