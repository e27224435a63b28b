// Training on pictures of any kind: what butterflies and `imago train` have in common. Sizes come from a preset that
// suits the machine, unless flags say otherwise.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/resize.h"
#include "examples/program/ddpm_run.h"

namespace imago::program {

struct PictureFlags {
  std::string preset = "auto";
  int64_t resolution = 0;  // 0, and the like below: the preset's
  std::vector<int64_t> block_out_channels;
  int64_t layers_per_block = 0, attention_levels = -1, norm_num_groups = 0;
  int64_t plain_levels = 0;  // the lowest ones, below those with attention
  std::string pretrained;  // folder of a model to go on from; its config decides about all of the above
  std::string fit = "crop";
  DdpmFlags ddpm = {};
  TrainingFlags training = {};
};

void add_picture_flags(CLI::App& app, PictureFlags& flags);

// Where the pictures come from: u8 (M, resolution, resolution, 3).
using LoadPictures = std::function<data::ImageDataset(int64_t resolution, data::Fit fit)>;

// Chooses what the command line (as `app` read it into `flags`) leaves open, says so, loads the pictures and trains.
// Returns the exit code.
int train_pictures(const std::string& name, const CLI::App& app, PictureFlags flags, const LoadPictures& load);

// The pictures of a folder; says how many there are and what could not be read. Decoded once, kept in the cache.
data::ImageDataset load_picture_folder(const std::string& folder, int64_t resolution, data::Fit fit);

}  // namespace imago::program
