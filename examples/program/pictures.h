// Pictures that people look at: grids of samples, rows for comparison, strips of a process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/pixels.h"

namespace imago::program {

// Images f32 (N, H, W, C) as near to a square as it gets. Small images are magnified.
void write_grid(const std::filesystem::path& png, const Tensor& images, data::PixelRange range);
// Each of the rows is a batch of the same shape (N, H, W, C).
void write_rows(const std::filesystem::path& png, const std::vector<Tensor>& rows,
                data::PixelRange range);

// A process over time, left to right, in `frames` of its `total` steps: for each of `images` images
// a row of x_t and below it a row of the x_0 that the model had in mind.
class Strip {
 public:
  Strip(int64_t images, int64_t total, int64_t frames)
      : images_(images), total_(total), frames_(std::min(frames, total)) {}
  // Step 1 .. total; keeps what is to be shown.
  void add(int64_t step, const Tensor& x_t, const Tensor& x_0);
  void write(const std::filesystem::path& png, data::PixelRange range) const;

 private:
  int64_t images_, total_, frames_;
  std::vector<Tensor> x_t_, x_0_;  // one per frame, (images, H, W, C)
};

}  // namespace imago::program
