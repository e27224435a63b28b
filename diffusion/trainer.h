// One training step after the other: backward, clipping, AdamW, the moving average, and what it
// takes to go on after a break as if there had been none.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/arena.h"
#include "nn/module.h"
#include "nn/optim/ema.h"
#include "nn/optim/learning_rate.h"
#include "nn/optim/optimizer.h"

namespace imago::diffusion {

struct TrainerOptions {
  nn::LearningRateOptions learning_rate;
  nn::AdamWOptions adamw = {.weight_decay = 0};
  double max_grad_norm = 1;           // 0: gradients are not clipped
  std::optional<nn::EmaOptions> ema;  // none: no average is kept
  // bf16: activations, and copies of the weights that the model computes with; weights, gradients,
  // moments and average stay f32. None: the type of the model's parameters.
  std::optional<DType> compute = {};
};

// Whatever else decides how training goes on: names and values, the most telling ones first.
using Settings = std::vector<std::pair<std::string, std::string>>;

// What Trainer::step() throws when the loss or the gradient's norm is not finite.
struct NonFinite : Error {
  using Error::Error;
};

struct TrainStep {
  double loss, grad_norm, learning_rate;
};

class Trainer {
 public:
  // Moves the model's parameters into an arena of its own; the model must outlive the trainer.
  Trainer(const nn::Module& model, const TrainerOptions& options);

  // Gradients of the loss, then one update of parameters, moments and average. Throws NonFinite, and
  // leaves those three as they were, if the loss or the gradient's norm is not finite.
  TrainStep step(const Variable& loss);

  int64_t steps() const { return optimizer_->steps(); }  // updates so far
  nn::ParameterArena& arena() { return *arena_; }

  // While the result lives, the model has the weights to draw with: the average if there is one.
  std::unique_ptr<nn::EmaScope> averaged_weights();
  // The same for saving: f32, whatever the model computes in; the last weights, or the average.
  std::unique_ptr<nn::EmaScope> stored_weights(bool average);

  // Weights, moments, average and counters, as safetensors; `settings` are kept with them. The file
  // appears when it is complete.
  void save(const std::filesystem::path& path, const Settings& settings) const;
  // Throws, and leaves the trainer as it was, if the file is damaged, was saved with other
  // settings, or does not have exactly the tensors that save() would write: it is of another model,
  // say, or only one of the two keeps an average. The first setting that differs is named; those
  // that are not asked for may be anything.
  void load(const std::filesystem::path& path, const Settings& settings);

 private:
  // The flat tensors of a checkpoint by name: values, moments, average.
  std::map<std::string, Tensor> flat_state() const;

  TrainerOptions options_;
  std::unique_ptr<nn::ParameterArena> arena_;
  std::unique_ptr<nn::AdamW> optimizer_;
  std::unique_ptr<nn::Ema> ema_;
};

}  // namespace imago::diffusion
