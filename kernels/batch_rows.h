// Which images of a data set the batch of a training step is made of.
#pragma once

#include "core/permutation.h"
#include "core/tensor.h"

namespace imago::kernels {

struct BatchRows {
  int64_t* rows;    // (N), below M
  uint32_t* epoch;  // (1)
  int64_t M, N, per_epoch;
  RandomKey key;  // its step is that of training
  bool shuffle;
};

struct RowsOfBatch {
  Tensor rows;   // i64 (N)
  Tensor epoch;  // i32 (1)
};

// The rows of batch number k, the key's step with what step_at holds, counted over all epochs. An epoch is [0, images)
// cut into batches, in the order of the Permutation that the key names with the epoch for its step; what is left at the
// end is dropped. Those are the rows of data::Batches.
RowsOfBatch batch_rows(int64_t images, int64_t batch_size, const RandomKey& key, bool shuffle = true);

}  // namespace imago::kernels
