// The loop around a training program: batches, progress, samples, checkpoints, Ctrl-C, resuming.
// What is learnt, from what and how it is drawn is the program's: it hands in a Recipe.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "autograd/variable.h"
#include "data/batches.h"
#include "examples/program/training_flags.h"
#include "nn/module.h"

namespace imago::program {

struct Recipe {
  std::string name;         // "mnist-ddpm": names the default folder and the pictures
  const nn::Module* model;  // outlives the run
  // The loss of one batch of images; random numbers come from (seed, step) and nothing else.
  std::function<Variable(const Tensor& images, uint64_t seed, uint32_t step)> loss = {};
  // Pictures. They are drawn with the averaged weights and without recording a graph, and may
  // stop_if_interrupted().
  std::function<void(const std::filesystem::path& png)> draw_samples = {};
  std::function<void(const std::filesystem::path& folder)> draw_final = {};  // beside final.png
  // Writes the model as others read it.
  std::function<void(const std::filesystem::path& folder)> save_model = {};
  // What must not change when a run is resumed, beside the data and TrainingFlags::settings().
  diffusion::Settings settings = {};
};

// Trains and returns the program's exit code: 0, 130 after Ctrl-C or 143 after SIGTERM. The run's
// folder then holds
//   final.png samples/ loss.svg metrics.jsonl run.json model/ checkpoint-N/
// and what draw_final adds.
int train(const Recipe& recipe, const data::ImageDataset& dataset, data::PixelRange range,
          const TrainingFlags& flags);

}  // namespace imago::program
