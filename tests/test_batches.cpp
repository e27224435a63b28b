#include <set>

#include "core/parallel.h"
#include "data/batches.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using data::Batch;
using data::Batches;
using data::BatchOptions;
using data::BatchPosition;
using data::ImageDataset;
using data::PixelRange;

namespace {

// Image n is full of structure and its label is n, so that a batch tells where its rows came from.
ImageDataset numbered(int64_t N, int64_t H = 3, int64_t W = 5, int64_t C = 2) {
  ImageDataset set{.images = Tensor({N, H, W, C}, DType::u8), .labels = Tensor({N}, DType::u8)};
  for (int64_t i = 0; i < set.images.numel(); ++i)
    set.images.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  for (int64_t n = 0; n < N; ++n) set.labels.data<uint8_t>()[n] = static_cast<uint8_t>(n);
  return set;
}

std::vector<int64_t> epoch_labels(Batches& batches) {
  std::vector<int64_t> out;
  for (int64_t b = 0; b < batches.per_epoch(); ++b)
    for (const int64_t label : batches.next().labels.to_vector<int64_t>()) out.push_back(label);
  return out;
}

double value(uint8_t byte, PixelRange range) {
  return range == PixelRange::unit ? byte / 255.0 : byte / 127.5 - 1;
}

}  // namespace

TEST_CASE("an epoch has every image once, in an order of its own", "[batches]") {
  Batches batches(numbered(10), {.batch_size = 3, .keep_last = true});
  CHECK(batches.per_epoch() == 4);
  std::set<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 5; ++epoch) {
    std::vector<int64_t> labels = epoch_labels(batches);
    orders.insert(labels);
    std::sort(labels.begin(), labels.end());
    CHECK(labels == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  }
  CHECK(orders.size() == 5);
  CHECK(batches.position() == BatchPosition{5, 0});
}

TEST_CASE("the last incomplete batch is dropped or kept", "[batches]") {
  Batches drop(numbered(10), {.batch_size = 4, .shuffle = false});
  CHECK(drop.per_epoch() == 2);
  CHECK(epoch_labels(drop) == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(epoch_labels(drop) == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  Batches keep(numbered(10), {.batch_size = 4, .shuffle = false, .keep_last = true});
  keep.seek({7, 2});
  CHECK(keep.next().images.shape() == Shape{2, 3, 5, 2});
  CHECK(keep.next().images.shape() == Shape{4, 3, 5, 2});
  Batches small(numbered(3), {.batch_size = 8, .keep_last = true});
  CHECK(small.next().images.dim(0) == 3);
}

TEST_CASE("batches hold the pixels of their images, mirrored and padded as asked", "[batches]") {
  for (const int64_t pad : {0, 8})
    for (const bool flip : {false, true})
      for (const PixelRange range : {PixelRange::unit, PixelRange::symmetric}) {
        CAPTURE(pad, flip, range == PixelRange::unit);
        const ImageDataset set = numbered(40);
        Batches batches(set,
                        {.batch_size = 40, .flip = flip, .pad_to = pad, .range = range, .seed = 4});
        const Batch batch = batches.next();
        const int64_t H = pad ? pad : 3, W = pad ? pad : 5, top = (H - 3) / 2, left = (W - 5) / 2;
        CHECK(batches.image_shape() == Shape{H, W, 2});
        REQUIRE(batch.images.shape() == Shape{40, H, W, 2});
        int mirrored = 0;
        double worst = 0;
        for (int64_t b = 0; b < 40; ++b) {
          const uint8_t* source = set.images.data<uint8_t>() + batch.labels.data<int64_t>()[b] * 30;
          double gap[2] = {0, 0};  // to the image as it is, and mirrored
          for (int64_t i = 0; i < H * W * 2; ++i) {
            const int64_t y = i / (W * 2) - top, x = i / 2 % W - left, c = i % 2;
            const bool inside = y >= 0 && y < 3 && x >= 0 && x < 5;
            const double got = batch.images.data<float>()[b * H * W * 2 + i];
            for (const int m : {0, 1}) {
              const int64_t column = m ? 4 - x : x;
              const double expected = value(inside ? source[(y * 5 + column) * 2 + c] : 0, range);
              gap[m] = std::max(gap[m], std::abs(got - expected));
            }
          }
          mirrored += gap[1] < gap[0];
          worst = std::max(worst, std::min(gap[0], gap[1]));
        }
        CHECK(worst < 1e-6);
        CHECK((flip ? mirrored > 8 && mirrored < 32 : mirrored == 0));
      }
}

TEST_CASE("batches continue exactly where they were stopped", "[batches]") {
  const BatchOptions options{.batch_size = 4, .flip = true, .seed = 11};
  Batches first(numbered(19), options);
  std::vector<Batch> all;
  for (int i = 0; i < 12; ++i) all.push_back(first.next());
  for (const size_t start : {0, 1, 4, 7, 11}) {
    Batches second(numbered(19), options);
    second.seek(all[start].position);
    for (size_t i = start; i < all.size(); ++i) {
      const Batch again = second.next();
      CHECK(again.position == all[i].position);
      CHECK(again.images.to_vector<double>() == all[i].images.to_vector<double>());
      CHECK(again.labels.to_vector<int64_t>() == all[i].labels.to_vector<int64_t>());
    }
  }
}

TEST_CASE("batches do not depend on threads; orders and flips not on the batch size", "[batches]") {
  Batches wide(numbered(12), {.batch_size = 12, .flip = true, .seed = 2}),
      narrow(numbered(12), {.batch_size = 3, .flip = true, .seed = 2});
  const int threads = thread_count();
  const Batch whole = wide.next();
  set_thread_count(threads == 1 ? 3 : 1);
  for (int64_t b = 0; b < 4; ++b) {
    const Batch part = narrow.next();
    CHECK(part.images.to_vector<double>() ==
          whole.images.slice(3 * b, 3 * b + 3).to_vector<double>());
    CHECK(part.labels.to_vector<int64_t>() ==
          whole.labels.slice(3 * b, 3 * b + 3).to_vector<int64_t>());
  }
  set_thread_count(threads);
  Batches other(numbered(12), {.batch_size = 12, .flip = true, .seed = 3});
  CHECK(other.next().labels.to_vector<int64_t>() != whole.labels.to_vector<int64_t>());
}

TEST_CASE("batches of images without labels", "[batches]") {
  ImageDataset set = numbered(6);
  set.labels = {};
  CHECK_FALSE(Batches(set, {.batch_size = 2}).next().labels.defined());
}

TEST_CASE("batches name the bad argument", "[batches][errors]") {
  ImageDataset set = numbered(6);
  CHECK_THROWS_WITH(Batches(set, {.batch_size = 0}),
                    "batches: batch_size must be at least 1, got 0");
  CHECK_THROWS_WITH(Batches(set, {.batch_size = 7}),
                    "batches: batch_size must be at most 6, the number of images, got 7");
  CHECK_THROWS_WITH(Batches(set, {.batch_size = 2, .pad_to = 4}),
                    "batches: pad_to must be 0 or at least 5, got 4");
  Batches batches(set, {.batch_size = 2});
  CHECK_THROWS_WITH(batches.seek({1, 3}),
                    "batches: there is no batch 3 in epoch 1, an epoch has 3");
  CHECK_THROWS_WITH(batches.seek({-1, 0}),
                    "batches: there is no batch 0 in epoch -1, an epoch has 3");
  set.labels = Tensor::zeros({5}, DType::u8);
  CHECK_THROWS_WITH(Batches(set, {.batch_size = 2}), "batches: labels must be u8 (6), got u8 (5)");
  set.images = Tensor::zeros({6, 3, 5, 2});
  CHECK_THROWS_WITH(Batches(set, {.batch_size = 2}),
                    "batches: images must be u8 (N, H, W, C) with N >= 1, got f32 (6, 3, 5, 2)");
  CHECK_THROWS_WITH(Batches(ImageDataset{}, {.batch_size = 2}),
                    "batches: images must be u8 (N, H, W, C) with N >= 1, got f32 ()");
}
