// Batches that a device picks by itself, against those of the host.
#include "diffusion/device_batches.h"

#include "core/graph.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using diffusion::DataPlace;
using diffusion::DeviceBatches;
using diffusion::pixels;

namespace {

data::ImageDataset images(int64_t N) {
  data::ImageDataset set{.images = Tensor({N, 3, 5, 2}, DType::u8, Device::cpu), .labels = {}};
  for (int64_t i = 0; i < set.images.numel(); ++i)
    set.images.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  return set;
}

}  // namespace

TEST_CASE("a device's batches are the host's, epoch after epoch", "[device_batches]") {
  const data::ImageDataset set = images(19);
  for (const DataPlace place : {DataPlace::automatic, DataPlace::device, DataPlace::host})
    for (const bool shuffle : {true, false})
      for (const data::PixelRange range : {data::PixelRange::unit, data::PixelRange::symmetric}) {
        const data::BatchOptions options{
            .batch_size = 4, .shuffle = shuffle, .flip = true, .pad_to = 6, .range = range, .seed = 11};
        data::Batches host(set, options);
        DeviceBatches device(set, options, place);
        CHECK(device.per_epoch() == host.per_epoch());
        CHECK(device.on_device() == (place != DataPlace::host));
        Tensor step = Tensor::from<int32_t>({0}, {1});
        for (uint32_t k = 0; k < 3 * 4 + 1; ++k) {  // three epochs and a bit
          CAPTURE(static_cast<int>(place), shuffle, k);
          const Tensor expected = host.next().images;
          device.send(k);
          CHECK(difference(pixels(device.batch({.seed = 99, .step = k}), range), expected) == 0);
          step.fill(k);
          const diffusion::BatchKey key{.step_at = static_cast<const uint32_t*>(step.raw())};
          CHECK(difference(pixels(device.batch(key), range), expected) == 0);
        }
      }
}

TEST_CASE("a graph finds the batch of each step", "[device_batches][graph]") {
  const data::ImageDataset set = images(19);
  const data::BatchOptions options{.batch_size = 4, .flip = true, .seed = 11};
  for (const DataPlace place : {DataPlace::device, DataPlace::host}) {
    data::Batches host(set, options);
    DeviceBatches device(set, options, place);
    Tensor step = Tensor::from<int32_t>({0}, {1}), got;
    const diffusion::BatchKey key{.step_at = static_cast<const uint32_t*>(step.raw())};
    Graph graph = Graph::capture(default_device(),
                                 [&] { got = pixels(device.batch(key), data::PixelRange::symmetric); });
    for (uint32_t k = 0; k < 9; ++k) {
      CAPTURE(static_cast<int>(place), k);
      device.send(k);
      step.fill(k);
      graph.launch();
      CHECK(difference(got, host.next().images) == 0);
    }
  }
}

TEST_CASE("device batches need enough images", "[device_batches][errors]") {
  CHECK_THROWS_WITH(DeviceBatches(images(3), {.batch_size = 4}),
                    "batches: batch_size must be at most 3, the number of images, got 4");
}
