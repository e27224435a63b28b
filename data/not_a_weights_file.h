// What people are handed under the name of a weights file.
#pragma once

#include <string_view>

namespace imago::data {

inline constexpr const char* kOldTorchFile =
    "it is from before PyTorch 1.6; load it in Python once and save it with safe_serialization=True";

// From the start of a file, what it is instead, as the end of a sentence; null if it is unknown.
inline const char* not_a_weights_file(std::string_view start) {
  if (start.starts_with("version https://git-lfs"))
    return "it is a Git LFS pointer; run `git lfs pull` to get the file itself";
  if (start.starts_with('<')) return "it is a web page, not a weights file; download it again";
  return nullptr;
}

}  // namespace imago::data
