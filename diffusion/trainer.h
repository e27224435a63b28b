// One training step after the other: the loss, backward, clipping, AdamW, the moving average, and what
// it takes to go on after a break as if there had been none.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "diffusion/step_queue.h"
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
  // A step goes through its batch in so many parts of one size, one after the other, and updates with the mean of their
  // gradients: memory for a part is enough.
  int64_t gradient_accumulation_steps = 1;
  bool graph = false;                 // steps are captured once, and launched as a whole from then on
};

// Whatever else decides how training goes on: names and values, the most telling ones first.
using Settings = std::vector<std::pair<std::string, std::string>>;

struct TrainStep {
  int64_t step;  // its number, from 1
  double loss, grad_norm, learning_rate;
};

class Trainer {
 public:
  // The loss of one batch. For a graph it has to be the same work each time, with nothing in it that the host decides
  // anew: what differs from step to step, such as the batch and its noise, comes from the counter at step_at().
  // With gradient accumulation it is called for each part: loss(part), counted from 0.
  class Loss {
   public:
    template <typename F>
    Loss(F f) {
      if constexpr (std::is_invocable_v<F, int64_t>)
        f_ = std::move(f);
      else
        f_ = [f = std::move(f)](int64_t) { return f(); };
    }
    Variable operator()(int64_t part) const { return f_(part); }

   private:
    std::function<Variable(int64_t part)> f_;
  };

  // Moves the model's parameters into an arena of its own; the model must outlive the trainer.
  Trainer(const nn::Module& model, const TrainerOptions& options);

  // One update of parameters, moments and average by the gradients of loss(), given to the device and not waited for.
  // If the loss or the gradient's norm is not finite, the device leaves those three as they were, in this step and in
  // those that were given after it; as soon as that is known, queue() or settle() throws, names the step, and forgets
  // these steps. With a graph, loss() is called in the first two steps of each batch size, and not again.
  void queue(const Loss& loss, int64_t batch_size = 0);
  // Called for each step once it is known how it went, in their order, from within queue() or settle(): on the CPU in
  // the same call, on a GPU some steps later.
  void on_step(std::function<void(const TrainStep&)> callback) { on_step_ = std::move(callback); }
  // Waits until all steps are done and known.
  void settle();
  // queue() and settle().
  TrainStep step(const Loss& loss);

  // Updates so far, those under way included.
  int64_t steps() const { return queue_->steps(); }
  // Their number in the device's memory, as the work of a step sees it: for RandomKey::step_at.
  const uint32_t* step_at() const { return queue_->step_at(); }
  nn::ParameterArena& arena() { return *arena_; }
  // The memory of a step, found out without making one; and the largest batch, at most `limit`, whose step needs no
  // more than `bytes`.
  MemoryTrace memory_of_step(const Loss& loss);
  int64_t largest_batch(size_t bytes, const std::function<Variable(int64_t batch_size)>& loss, int64_t limit);

  // While the result lives, the model has the weights to draw with: the average if there is one.
  std::unique_ptr<nn::EmaScope> averaged_weights();

  // Weights, moments, average and counters, as safetensors; `settings` are kept with them. The file
  // appears when it is complete. Throws where steps are under way: settle() first.
  void save(const std::filesystem::path& path, const Settings& settings) const;
  // Throws, and leaves the trainer as it was, if the file is damaged, was saved with other
  // settings, or does not have exactly the tensors that save() would write: it is of another model,
  // say, or only one of the two keeps an average. The first setting that differs is named; those
  // that are not asked for may be anything.
  void load(const std::filesystem::path& path, const Settings& settings);

 private:
  // A step's work becomes a graph in two turns: the first is done as it is and its memory traced, the second captured.
  struct CapturedStep {
    std::optional<MemoryPlan> plan;
    Graph graph;
  };

  Device device() const { return arena_->values().device(); }
  Tensor backward(const Loss& loss);
  void run(const Loss& loss);
  void give(const Loss& loss, CapturedStep& step);
  void hear(bool wait);
  [[noreturn]] void give_up(const kernels::StepRecord& record);
  kernels::AdamWNumbers numbers(int64_t k) const;
  // The flat tensors of a checkpoint by name: values, moments, average.
  std::map<std::string, Tensor> flat_state() const;

  TrainerOptions options_;
  std::unique_ptr<nn::ParameterArena> arena_;
  std::unique_ptr<nn::AdamW> optimizer_;
  std::unique_ptr<nn::Ema> ema_;
  int64_t ema_lead_ = 0;  // how many updates more the average has seen than the parameters
  std::unique_ptr<StepQueue> queue_;
  std::map<int64_t, CapturedStep> graphs_;  // by batch size
  std::function<void(const TrainStep&)> on_step_;
  TrainStep last_{};
};

}  // namespace imago::diffusion
