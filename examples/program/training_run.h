// The loop around a training program: batches, progress, samples, checkpoints, Ctrl-C, resuming.
// What is learnt, from what and how it is drawn is the program's: it hands in a Recipe.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "diffusion/device_batches.h"
#include "examples/program/training_flags.h"
#include "nn/module.h"

namespace imago::program {

struct Recipe {
  std::string name;         // "mnist-ddpm": names the default folder and the pictures
  const nn::Module* model;  // outlives the run
  // The loss of one batch x_0. It is called once or twice, and what it does is then repeated step by step on the device
  // (diffusion/trainer.h): which images x_0 has, and what the key draws, is decided there.
  std::function<Variable(const diffusion::PickedImages& x0, const diffusion::BatchKey& key)> loss = {};
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
int train(const Recipe& recipe, const data::ImageDataset& dataset, const TrainingFlags& flags);

}  // namespace imago::program
