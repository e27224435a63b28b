// The IDX format of MNIST and its relatives: two zero bytes, a type code, the rank, big-endian
// 32-bit extents, elements.
#pragma once

#include <filesystem>

#include "core/tensor.h"

namespace imago::data {

// A u8 tensor from a plain or gzipped file; which of the two is seen from its contents. Throws
// `idx: FILE: reason`.
Tensor read_idx(const std::filesystem::path& path);

// A u8 tensor of rank 1 to 6, plain.
void write_idx(const std::filesystem::path& path, const Tensor& values);

}  // namespace imago::data
