#include "diffusion/device_batches.h"

#include <cstring>

#include "core/device_memory.h"
#include "core/parallel.h"
#include "core/pinned_buffer.h"
#include "core/random.h"
#include "kernels/batch_rows.h"

namespace imago::diffusion {

// Two buffers take turns: while the copy of one is under way, the host fills the other. The copies are part of the same
// stream as the steps, since a batch is small: 32 images of 64x64 pixels take as long as a few kernels.
struct DeviceBatches::Uploads {
  struct Buffer {
    Buffer(size_t bytes, Device device) : bytes(bytes, device), sent(device) {}
    PinnedBuffer bytes;
    Event sent;
  };

  Uploads(const data::ImageDataset& dataset, const data::BatchOptions& options, const Tensor& batch)
      : images(dataset.images),
        batches(dataset, options),
        buffers{{batch.bytes(), batch.device()}, {batch.bytes(), batch.device()}} {}

  void send(int64_t step, const Tensor& batch) {
    Buffer& buffer = buffers[step % 2];
    buffer.sent.synchronize();
    batches.seek({.epoch = step / batches.per_epoch(), .batch = step % batches.per_epoch()});
    const std::vector<int64_t> rows = batches.rows();
    const size_t size = batch.bytes() / rows.size();
    const std::span<uint8_t> to = buffer.bytes.span<uint8_t>();
    const uint8_t* from = images.data<uint8_t>();
    parallel_for(static_cast<int64_t>(rows.size()), [&](int64_t n) {
      const size_t row = static_cast<size_t>(rows[static_cast<size_t>(n)]);
      std::memcpy(to.data() + static_cast<size_t>(n) * size, from + row * size, size);
    });
    buffer.bytes.copy_to(batch);
    buffer.sent.record();
  }

  Tensor images;  // (M, H, W, C), the host's
  data::Batches batches;
  Buffer buffers[2];
};

DeviceBatches::DeviceBatches(const data::ImageDataset& dataset, const data::BatchOptions& options,
                             DataPlace place)
    : options_(options), size_(dataset.size()) {
  options_.keep_last = false;
  const data::Batches checked(dataset, options_);
  const Device device = default_device();
  const bool fits = dataset.images.device() == device ||
                    dataset.images.bytes() <= memory_capacity(device).free / 2;
  if (place == DataPlace::device || (place == DataPlace::automatic && fits)) {
    images_ = dataset.images.to(device);
  } else {
    images_ = Tensor(dataset.images.shape().with(0, options_.batch_size), DType::u8, device);
    uploads_ = std::make_shared<Uploads>(dataset, options_, images_);
  }
}

void DeviceBatches::send(int64_t step) {
  if (uploads_) uploads_->send(step, images_);
}

DeviceBatches DeviceBatches::resized(int64_t batch_size) const {
  DeviceBatches other = *this;
  other.options_.batch_size = batch_size;
  if (uploads_) other.images_ = Tensor(images_.shape().with(0, batch_size), DType::u8, images_.device());
  return other;
}

PickedImages DeviceBatches::batch(const BatchKey& key) const {
  RandomKey order = key.stream(kShuffleStream), flips = key.stream(kFlipStream);
  order.seed = flips.seed = options_.seed;
  const auto [rows, epoch] =
      kernels::batch_rows(size_, options_.batch_size, order, options_.shuffle);
  flips.step = 0;
  flips.step_at = static_cast<const uint32_t*>(epoch.raw());
  return {.images = images_,
          .rows = rows,
          .pad_to = options_.pad_to,
          .flip = options_.flip,
          .flips = flips,
          .gathered = !on_device(),
          .epoch = epoch};
}

Tensor pixels(const PickedImages& x0, data::PixelRange range) {
  return kernels::pick_images(x0, range == data::PixelRange::symmetric);
}

}  // namespace imago::diffusion
