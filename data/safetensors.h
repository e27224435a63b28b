// The safetensors format: an 8-byte header length, a JSON header, and the tensors' bytes one after
// the other. https://github.com/huggingface/safetensors
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "data/input_file.h"

namespace imago::data {

// What the header says about one tensor.
struct SafetensorsInfo {
  std::string dtype;            // as the file spells it: "F32", "BF16", "F8_E4M3", ...
  std::vector<uint64_t> shape;  // outermost first; empty for a scalar
  uint64_t begin = 0, end = 0;  // bytes, from the start of the data
};

// An open file whose header has been checked in full, so that what load() reads is what the header
// promised. Anything that the format does not allow throws `safetensors: FILE: reason`.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);

  // All tensors, in bytewise order of their names.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  // Throws if there is no such tensor, as load() does.
  const SafetensorsInfo& info(std::string_view name) const;
  // F32, F64, BF16, I32, I64 and U8 as they are, F16 as f32. Another type throws, and only here: a
  // file may hold tensors that imago has no type for as long as nobody wants them.
  Tensor load(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return file_.path(); }

 private:
  using Entry = std::pair<std::string, SafetensorsInfo>;

  explicit SafetensorsFile(const std::filesystem::path& path) : file_(path) {}
  const Entry* find(std::string_view name) const;

  InputFile file_;
  uint64_t data_begin_ = 0;     // where the data starts in the file
  std::vector<Entry> entries_;  // by name
  std::map<std::string, std::string> metadata_;
};

// Writes the tensors the way the reference implementation does (larger types first, then by name;
// 8-byte aligned data), under a temporary name that is renamed at the end. Throws if a name occurs
// twice.
void save_safetensors(const std::filesystem::path& path,
                      const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace imago::data
