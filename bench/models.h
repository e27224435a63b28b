// The networks that are measured, and one training or sampling step of each, in parts.
#pragma once

#include <memory>
#include <string>

#include "core/graph.h"
#include "diffusion/ddpm.h"
#include "diffusion/device_batches.h"
#include "diffusion/trainer.h"
#include "nn/unet2d.h"

namespace imago::bench {

struct Workload {
  std::string name;
  nn::UNet2DConfig config;
  int64_t batch, size;  // of square images

  Shape images() const { return {batch, size, size, config.in_channels}; }
};

// butterflies: 64x64 colour, 64 to 512 channels, attention at 16x16 and 8x8, batch 32; mnist: the
// UNet that build/mnist trains, batch 128; tiny: for the emulator. Throws on other names. batch 0
// stands for the workload's own.
Workload workload_named(const std::string& name, int64_t batch = 0);

enum class Precision : uint8_t { f32, tf32, bf16 };
constexpr const char* name_of(Precision p) {
  return p == Precision::f32 ? "f32" : p == Precision::tf32 ? "tf32" : "bf16";
}
Precision precision_named(const std::string& name);
// What the network's activations are.
constexpr DType dtype_of(Precision p) { return p == Precision::bf16 ? DType::bf16 : DType::f32; }

// A network with everything that training it takes: a data set on the device, and
// diffusion::Trainer. The whole process computes f32 products in this precision from here on; in
// bf16 the network computes with copies of its weights, which stay f32.
class TrainingStep {
 public:
  // graph: whole steps are captured once and launched as one from then on.
  TrainingStep(const Workload& workload, Precision precision, bool graph = false);

  const nn::UNet2D& model() const { return *model_; }
  int64_t parameters() const;
  void zero_gradients();
  // Batch, noise, the network, the loss; the history is kept until the next call.
  void forward();
  // Gradients of the last forward(), added up.
  void backward();
  bool has_whole_step() const { return trainer_ != nullptr; }
  // All of it: gradients, clipping, AdamW, the moving average.
  void step();
  // From x_t to x_{t-1}, at a time step in the middle.
  void sample();

  // One batch and what the network makes of it: what a twin elsewhere is compared with.
  struct Probe {
    Tensor x, t, target, y;
    double loss;
  };
  Probe probe();

 private:
  Variable loss() const;
  void sampling_work();

  Workload workload_;
  Precision precision_;
  bool graph_;
  diffusion::DDPMScheduler scheduler_;
  diffusion::SamplingStep sampling_step_;  // one from the middle
  diffusion::DeviceBatches batches_;
  std::unique_ptr<nn::UNet2D> model_;
  std::unique_ptr<diffusion::Trainer> trainer_;
  Variable loss_;
  Tensor x_t_, sample_;
  Graph sampling_;
};

}  // namespace imago::bench
