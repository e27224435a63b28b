#include "data/batches.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "core/permutation.h"
#include "core/random.h"

namespace imago::data {

Batches::Batches(ImageDataset dataset, const BatchOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  const Tensor &images = dataset_.images, &labels = dataset_.labels;
  IMAGO_CHECK(
      images.defined() && images.dtype() == DType::u8 && images.rank() == 4 && images.dim(0) >= 1,
      "batches: images must be u8 (N, H, W, C) with N >= 1, got ", images.dtype(), " ",
      images.shape());
  const int64_t N = images.dim(0), H = images.dim(1), W = images.dim(2), C = images.dim(3);
  IMAGO_CHECK(N <= int64_t{1} << 31, "batches: there must be at most 2^31 images, got ", N);
  IMAGO_CHECK(!labels.defined() || (labels.dtype() == DType::u8 && labels.shape() == Shape{N}),
              "batches: labels must be u8 (", N, "), got ", labels.dtype(), " ", labels.shape());
  IMAGO_CHECK(options.batch_size >= 1, "batches: batch_size must be at least 1, got ",
              options.batch_size);
  IMAGO_CHECK(options.keep_last || options.batch_size <= N, "batches: batch_size must be at most ",
              N, ", the number of images, got ", options.batch_size);
  IMAGO_CHECK(options.pad_to == 0 || options.pad_to >= std::max(H, W),
              "batches: pad_to must be 0 or at least ", std::max(H, W), ", got ", options.pad_to);
  per_epoch_ = options.keep_last ? (N + options.batch_size - 1) / options.batch_size
                                 : N / options.batch_size;
  image_shape_ = options.pad_to ? Shape{options.pad_to, options.pad_to, C} : Shape{H, W, C};
}

void Batches::seek(const BatchPosition& position) {
  IMAGO_CHECK(position.epoch >= 0 && position.batch >= 0 && position.batch < per_epoch_,
              "batches: there is no batch ", position.batch, " in epoch ", position.epoch,
              ", an epoch has ", per_epoch_);
  position_ = position;
}

std::vector<int64_t> Batches::rows() const {
  const int64_t begin = position_.batch * options_.batch_size;
  const Permutation order({.seed = options_.seed,
                           .stream = kShuffleStream,
                           .step = static_cast<uint32_t>(position_.epoch)},
                          dataset_.size());
  std::vector<int64_t> rows(
      static_cast<size_t>(std::min(options_.batch_size, dataset_.size() - begin)));
  std::iota(rows.begin(), rows.end(), begin);
  if (options_.shuffle)
    for (int64_t& row : rows) row = order[row];
  return rows;
}

Batch Batches::next() {
  const std::vector<int64_t> rows = this->rows();
  const int64_t count = static_cast<int64_t>(rows.size());
  const Tensor images(image_shape_.inserted(0, count), DType::f32, Device::cpu);
  gather(rows.data(), count, images.data<float>());
  Batch out{.images = images.to(default_device()), .labels = {}, .position = position_};
  if (dataset_.labels.defined()) {
    const Tensor ids({count}, DType::i64, Device::cpu);
    const uint8_t* labels = dataset_.labels.data<uint8_t>();
    std::transform(rows.begin(), rows.end(), ids.data<int64_t>(), [&](int64_t row) { return labels[row]; });
    out.labels = ids.to(default_device());
  }
  const bool last = position_.batch + 1 == per_epoch_;
  position_ = last ? BatchPosition{position_.epoch + 1, 0}
                   : BatchPosition{position_.epoch, position_.batch + 1};
  return out;
}

void Batches::gather(const int64_t* rows, int64_t count, float* images) const {
  const int64_t H = dataset_.images.dim(1), W = dataset_.images.dim(2), C = dataset_.images.dim(3);
  const int64_t out_h = image_shape_[0], out_w = image_shape_[1];
  const int64_t top = (out_h - H) / 2, left = (out_w - W) / 2;
  const std::array<float, 256> values = byte_values(options_.range);
  // Whether an image is mirrored depends on the image and the epoch, not on the batch it is in.
  const RandomKey flips{
      .seed = options_.seed, .stream = kFlipStream, .step = static_cast<uint32_t>(position_.epoch)};
  parallel_for(count, [&](int64_t n) {
    const uint8_t* source = dataset_.images.data<uint8_t>() + rows[n] * H * W * C;
    float* image = images + n * out_h * out_w * C;
    if (options_.pad_to) std::fill_n(image, out_h * out_w * C, values[0]);
    const bool mirror = options_.flip && uniform_at(flips, static_cast<uint64_t>(rows[n])) < 0.5f;
    for (int64_t y = 0; y < H; ++y) {
      const uint8_t* x = source + y * W * C;
      float* out = image + ((top + y) * out_w + left) * C;
      if (!mirror) {
        for (int64_t i = 0; i < W * C; ++i) out[i] = values[x[i]];
      } else {
        for (int64_t w = 0; w < W; ++w)
          for (int64_t c = 0; c < C; ++c) out[w * C + c] = values[x[(W - 1 - w) * C + c]];
      }
    }
  });
}

}  // namespace imago::data
