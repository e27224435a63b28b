// Training batches that the device picks by itself, from a data set in its own memory.
#pragma once

#include <memory>

#include "data/batches.h"
#include "diffusion/training_loss.h"

namespace imago::diffusion {

// Where a data set lies while a device trains.
enum class DataPlace {
  automatic,  // on the device if that leaves it half of its free memory
  device,
  host,  // each batch's bytes travel to the device while the steps before it are still running
};

// The batches of data::Batches with the same options (keep_last and range say nothing here), as bytes that have not
// been looked at: training_batch() or pixels() makes numbers of them.
class DeviceBatches {
 public:
  // On the default device.
  DeviceBatches(const data::ImageDataset& dataset, const data::BatchOptions& options,
                DataPlace place = DataPlace::automatic);

  int64_t size() const { return size_; }
  int64_t per_epoch() const { return size_ / options_.batch_size; }
  bool on_device() const { return uploads_ == nullptr; }
  // Call before the work of training step `step` is given to the device: sends the batch, unless the data set is there.
  void send(int64_t step);
  // The batch of a training step: number key.step, and what key.step_at holds, counted over all epochs. This is work of
  // the device, and may be part of a graph.
  PickedImages batch(const BatchKey& key) const;

  // The same images in batches of another size, to find out what they need: send() is not for these.
  DeviceBatches resized(int64_t batch_size) const;

 private:
  struct Uploads;

  Tensor images_;  // u8 (M, H, W, C), or (N, H, W, C): the batch that was sent last
  data::BatchOptions options_;
  int64_t size_;                      // M
  std::shared_ptr<Uploads> uploads_;  // null where the data set is on the device
};

// f32 (N, H, W, C)
Tensor pixels(const PickedImages& x0, data::PixelRange range);

}  // namespace imago::diffusion
