#include "diffusion/weights.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "data/input_file.h"
#include "data/safetensors.h"
#include "data/shard_index.h"
#include "data/torch_file.h"

namespace imago::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStem = "diffusion_pytorch_model";

// Every tensor of a file that `expected` names, or all of them. What else the file has would be
// there twice, or be a mistake.
template <typename File>
void append(const File& file, const std::vector<std::string>* expected, nn::StateDict& state) {
  const std::vector<std::string> names = file.names();
  if (expected)
    IMAGO_CHECK(names == *expected, "pipeline: ", file.path(),
                " does not have the tensors that its index says it has");
  for (const std::string& name : names) state.emplace_back(name, file.load(name));
}

void append_file(const fs::path& path, const std::vector<std::string>* expected,
                 nn::StateDict& state) {
  if (path.extension() == ".safetensors")
    append(data::SafetensorsFile::open(path), expected, state);
  else
    append(data::TorchFile::open(path), expected, state);
}

nn::StateDict load_shards(const fs::path& index) {
  std::map<std::string, std::vector<std::string>> shards;  // tensors by file, both in order
  for (const auto& [tensor, file] : data::parse_shard_index(index.string(), data::read_file(index)))
    shards[file].push_back(tensor);
  nn::StateDict state;
  for (const auto& [file, tensors] : shards)
    append_file(index.parent_path() / file, &tensors, state);
  return state;
}

// What there is instead of the weights that were asked for.
std::string others(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string(); name.starts_with(kStem))
      names.push_back(name);
  std::ranges::sort(names);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "; it has " : ", ") + name;
  return list;
}

}  // namespace

nn::StateDict load_weights(const fs::path& folder, const std::string& variant) {
  const std::string dotted = variant.empty() ? "" : '.' + variant;
  for (const std::string type : {".safetensors", ".bin"}) {
    const fs::path index = folder / concat(kStem, type, ".index", dotted, ".json");
    if (fs::exists(index)) return load_shards(index);
    const fs::path file = folder / concat(kStem, dotted, type);
    if (!fs::exists(file)) continue;
    nn::StateDict state;
    append_file(file, nullptr, state);
    return state;
  }
  fail("pipeline: ", folder.string(), " has no ", kStem, dotted, ".safetensors", others(folder));
}

}  // namespace imago::diffusion
