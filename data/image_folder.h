// A folder of pictures as a data set: found, decoded, made square, and kept in one file for a quick next start.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/resize.h"

namespace imago::data {

struct ImageFolderOptions {
  int64_t resolution = 64;
  int channels = 3;  // 3, or 1 for grey
  Fit fit = Fit::crop;
  // Where decoded sets are kept, one file for each folder, content and choice of the above; empty: nowhere.
  std::filesystem::path cache = {};
  // Told now and then while pictures are decoded. What it throws ends the loading.
  std::function<void(int64_t done, int64_t total)> progress = {};
};

struct ImageFolder {
  struct Skipped {
    std::string file;  // below the folder
    std::string why;
  };
  // Labels count the classes from 0; undefined if there are no classes, or more than 256.
  ImageDataset dataset;
  std::vector<std::string> classes;  // names of the sub-folders of the first level, sorted
  std::vector<std::string> files;    // image by image, below the folder
  std::vector<Skipped> skipped;      // what looks like a picture and cannot be read
  int64_t other_files = 0;           // that are no .jpg, .jpeg or .png
  bool from_cache = false;
};

// All pictures below the folder, sorted by name; linked folders are followed, each once. A sub-folder of the first
// level is a class, unless there are pictures beside the sub-folders. Photographs are turned upright; where a picture
// is transparent, white shows through; 16-bit pictures are reduced to 8. Names that start with a dot are not looked at.
// A picture that cannot be read is skipped and reported. Throws if the folder has no picture, or none that can be read.
ImageFolder load_image_folder(const std::filesystem::path& folder, const ImageFolderOptions& options = {});

// $XDG_CACHE_HOME/imago or ~/.cache/imago; empty where neither variable is set.
std::filesystem::path default_image_cache();

}  // namespace imago::data
