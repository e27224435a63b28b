#include "kernels/batch_rows.h"

#include "core/random.h"
#include "data/batches.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

RandomKey shuffle(uint32_t step, const Tensor& counter = {}, uint64_t seed = 3) {
  return {.seed = seed,
          .stream = kShuffleStream,
          .step = step,
          .step_at = static_cast<const uint32_t*>(counter.raw())};
}

}  // namespace

TEST_CASE("a device finds the rows of data::Batches", "[batch_rows]") {
  struct Case { int64_t images, batch_size; };
  for (const auto& [images, batch_size] : {Case{1, 1}, Case{10, 3}, Case{64, 64}, Case{1000, 7}, Case{70000, 300}}) {
    const data::ImageDataset set{.images = Tensor::zeros({images, 1, 1, 1}, DType::u8, Device::cpu), .labels = {}};
    for (const bool shuffled : {true, false}) {
      data::Batches batches(set, {.batch_size = batch_size, .shuffle = shuffled, .seed = 3});
      for (const int64_t step : {int64_t{0}, int64_t{1}, batches.per_epoch() - 1, batches.per_epoch(),
                                 7 * batches.per_epoch() + 2}) {
        CAPTURE(images, batch_size, shuffled, step);
        const int64_t epoch = step / batches.per_epoch();
        batches.seek({.epoch = epoch, .batch = step % batches.per_epoch()});
        const auto check = [&](const RandomKey& key) {
          const auto [rows, of_epoch] = kernels::batch_rows(images, batch_size, key, shuffled);
          CHECK(rows.to_vector<int64_t>() == batches.rows());
          CHECK(of_epoch.item() == static_cast<double>(epoch));
        };
        check(shuffle(static_cast<uint32_t>(step)));
        const Tensor counter = Tensor::from<int32_t>({static_cast<int32_t>(step)}, {1});
        check(shuffle(0, counter));
      }
    }
  }
}

TEST_CASE("batch_rows names the bad argument", "[batch_rows][errors]") {
  CHECK_THROWS_WITH(kernels::batch_rows(0, 1, shuffle(0)), "batch_rows: images must be in [1, 2^31], got 0");
  CHECK_THROWS_WITH(kernels::batch_rows(8, 9, shuffle(0)), "batch_rows: batch_size must be in [1, 8], got 9");
  CHECK_THROWS_WITH(kernels::batch_rows(8, 0, shuffle(0)), "batch_rows: batch_size must be in [1, 8], got 0");
}
