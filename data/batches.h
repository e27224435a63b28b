// Turns a data set into an endless row of training batches. Every batch is a pure function of (data
// set, options, epoch, number of the batch), so a run continues exactly where it was stopped.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "data/pixels.h"

namespace imago::data {

struct BatchOptions {
  int64_t batch_size = 64;
  bool shuffle = true;     // a new order every epoch
  bool keep_last = false;  // the incomplete batch at the end of an epoch
  bool flip = false;       // mirrors every other image, left to right, by chance
  int64_t pad_to = 0;      // black around the images, to pad_to x pad_to pixels; 0: none
  PixelRange range = PixelRange::symmetric;
  uint64_t seed = 0;
};

struct BatchPosition {
  int64_t epoch = 0;
  int64_t batch = 0;  // in [0, Batches::per_epoch())
  friend bool operator==(const BatchPosition&, const BatchPosition&) = default;
};

struct Batch {
  Tensor images;  // f32 (B, H, W, C)
  Tensor labels;  // i64 (B); undefined if the data set has none
  BatchPosition position;
};

class Batches {
 public:
  explicit Batches(ImageDataset dataset, const BatchOptions& options = {});

  int64_t per_epoch() const { return per_epoch_; }
  const Shape& image_shape() const { return image_shape_; }  // (H, W, C) after padding
  // The batch that next() gives next.
  const BatchPosition& position() const { return position_; }
  void seek(const BatchPosition& position);
  // The rows of the data set that next() gives next: positions of the epoch's Permutation (core/permutation.h), which a
  // GPU follows by itself, see kernels/batch_rows.h.
  std::vector<int64_t> rows() const;
  Batch next();

 private:
  void gather(const int64_t* rows, int64_t count, float* images) const;

  ImageDataset dataset_;
  BatchOptions options_;
  int64_t per_epoch_ = 0;
  Shape image_shape_;
  BatchPosition position_;
};

}  // namespace imago::data
