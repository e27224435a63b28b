// The part of Python's pickle format that state dicts of PyTorch are written in: a small machine of
// tuples, dictionaries and four functions, none of which does anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace imago::data {

// What the pickle says about one tensor. Its element (i, j, ...) is element offset + i * strides[0]
// + j * strides[1] + ... of the storage, which has them all.
struct PickledTensor {
  std::string name;
  std::string storage;       // what the storage is called in the archive: "0"
  std::string storage_type;  // of its elements: "FloatStorage"
  int64_t storage_size = 0;  // elements
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};

// Reads a pickled dictionary of tensors, in bytewise order of their names. Whatever else it asks
// Python for is refused: nothing is ever called. `file` is for messages; throws
// `torch file: FILE: reason`.
std::vector<PickledTensor> parse_torch_pickle(const std::string& file, std::string_view bytes);

}  // namespace imago::data
