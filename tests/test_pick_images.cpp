#include "kernels/pick_images.h"

#include "data/batches.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::PickedImages;

namespace {

// Image n's label is n, so that a batch tells which rows it has. In the host's memory.
data::ImageDataset numbered(const Shape& shape) {
  data::ImageDataset set{.images = Tensor(shape, DType::u8, Device::cpu),
                         .labels = Tensor({shape[0]}, DType::u8, Device::cpu)};
  for (int64_t i = 0; i < set.images.numel(); ++i)
    set.images.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  for (int64_t n = 0; n < shape[0]; ++n) set.labels.data<uint8_t>()[n] = static_cast<uint8_t>(n);
  return set;
}

struct Case {
  Shape images;
  int64_t pad_to, batch_size;
};
const Case kCases[] = {
    {{1, 1, 1, 1}, 0, 1}, {{40, 3, 5, 2}, 0, 40}, {{20, 3, 5, 2}, 8, 7},   {{9, 8, 8, 3}, 0, 5},
    {{5, 28, 28, 1}, 32, 4}, {{7, 5, 4, 3}, 9, 6}, {{3, 40, 40, 4}, 0, 2},
};

}  // namespace

TEST_CASE("picked images are those of data::Batches", "[pick_images]") {
  for (const auto& [shape, pad_to, batch_size] : kCases)
    for (const bool flip : {false, true})
      for (const data::PixelRange range : {data::PixelRange::unit, data::PixelRange::symmetric}) {
        CAPTURE(shape, pad_to, flip, range == data::PixelRange::unit);
        const data::ImageDataset set = numbered(shape);
        data::Batches batches(set,
                              {.batch_size = batch_size, .flip = flip, .pad_to = pad_to, .range = range, .seed = 11});
        batches.seek({.epoch = 5});
        const data::Batch batch = batches.next();
        PickedImages x0{.images = set.images.to(default_device()),
                        .rows = batch.labels,
                        .pad_to = pad_to,
                        .flip = flip,
                        .flips = {.seed = 11, .stream = kFlipStream, .step = 5}};
        const bool symmetric = range == data::PixelRange::symmetric;
        CHECK(difference(kernels::pick_images(x0, symmetric), batch.images) == 0);
        for (const DType dtype : device_types())
          CHECK(difference(kernels::pick_images(x0, symmetric, dtype), batch.images.to(dtype)) == 0);
        CHECK(difference(kernels::pick_images(x0, symmetric, DType::f64), batch.images) == 0);

        // The epoch read where it is kept.
        const Tensor epoch = Tensor::from<int32_t>({5}, {1});
        x0.flips.step = 0;
        x0.flips.step_at = static_cast<const uint32_t*>(epoch.raw());
        CHECK(difference(kernels::pick_images(x0, symmetric), batch.images) == 0);

        // The batch's bytes alone, one image after the other.
        Tensor gathered(shape.with(0, batch_size), DType::u8, Device::cpu);
        const std::vector<int64_t> rows = batch.labels.to_vector<int64_t>();
        for (int64_t n = 0; n < batch_size; ++n) {
          const int64_t row = rows[static_cast<size_t>(n)];
          gathered.slice(n, n + 1).copy_from(set.images.slice(row, row + 1));
        }
        x0.images = gathered.to(default_device());
        x0.gathered = true;
        CHECK(difference(kernels::pick_images(x0, symmetric), batch.images) == 0);
      }
}

TEST_CASE("pick_images works on empty batches and names the bad argument", "[pick_images][errors]") {
  const Tensor images = numbered({6, 4, 5, 3}).images.to(default_device());
  const Tensor rows = Tensor::from<int64_t>({5, 0}, {2});
  const auto pick = [&](const PickedImages& x0) { return kernels::pick_images(x0, true); };
  CHECK(pick({.images = images, .rows = Tensor({0}, DType::i64), .pad_to = 6}).shape() == Shape{0, 6, 6, 3});
  CHECK_THROWS_WITH(pick({.images = images.to(DType::f32), .rows = rows}),
                    "pick_images: images must be u8 (M, H, W, C), got f32 (6, 4, 5, 3)");
  CHECK_THROWS_WITH(pick({.images = images, .rows = rows.to(DType::i32)}),
                    "pick_images: rows must be i64 (N), got i32 (2)");
  CHECK_THROWS_WITH(pick({.images = images, .rows = rows, .pad_to = 4}),
                    "pick_images: pad_to must be 0 or at least 5, got 4");
  CHECK_THROWS_WITH(pick({.images = images, .rows = rows, .gathered = true}),
                    "pick_images: there must be one image for each of the 2 rows, got 6");
  CHECK_THROWS_WITH(pick({.images = images, .rows = Tensor::from<int64_t>({6, 0}, {2})}),
                    "pick_images: rows must be in [0, 6), got 6");
}
