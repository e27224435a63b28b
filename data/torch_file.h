// Weights as torch.save() writes them: a zip archive of a pickle and of the tensors' bytes. Files
// of diffusers from before 2023 are such; https://pytorch.org/docs/stable/notes/serialization.html
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "data/torch_pickle.h"
#include "data/zip_file.h"

namespace imago::data {

// An open file with a dictionary of tensors. Nothing in it is executed, see data/torch_pickle.h.
// Anything unexpected throws `torch file: FILE: reason`.
class TorchFile {
 public:
  static TorchFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const;  // in bytewise order
  const std::vector<PickledTensor>& tensors() const { return tensors_; }  // what it says of each, in that order
  // Floating-point and integer tensors as they are, half precision as f32, on the CPU. Throws if
  // there is no such tensor, or imago has no such type.
  Tensor load(std::string_view name) const;
  const std::string& path() const { return zip_.path(); }

 private:
  explicit TorchFile(ZipFile zip) : zip_(std::move(zip)) {}

  ZipFile zip_;
  std::string folder_;  // of the archive, with the slash
  std::vector<PickledTensor> tensors_;  // by name
};

}  // namespace imago::data
