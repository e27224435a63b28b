#include "kernels/batch_rows.h"

#include "kernels/backend.h"

namespace imago::kernels {

RowsOfBatch batch_rows(int64_t images, int64_t batch_size, const RandomKey& key, bool shuffle) {
  IMAGO_CHECK(images >= 1 && images <= int64_t{1} << 31, "batch_rows: images must be in [1, 2^31], got ", images);
  IMAGO_CHECK(batch_size >= 1 && batch_size <= images, "batch_rows: batch_size must be in [1, ", images, "], got ",
              batch_size);
  const RowsOfBatch out{Tensor({batch_size}, DType::i64), Tensor({1}, DType::i32)};
  const BatchRows p{.rows = static_cast<int64_t*>(out.rows.raw()),
                    .epoch = static_cast<uint32_t*>(out.epoch.raw()),
                    .M = images,
                    .N = batch_size,
                    .per_epoch = images / batch_size,
                    .key = key,
                    .shuffle = shuffle};
  backend_for(default_device()).batch_rows(p, current_stream(default_device()));
  return out;
}

}  // namespace imago::kernels
