#include "diffusion/pipeline.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "data/atomic_file.h"
#include "data/safetensors.h"
#include "nn/diffusers_version.h"
#include "nn/state_dict.h"

namespace imago::diffusion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";
constexpr const char* kShardIndex = "diffusion_pytorch_model.safetensors.index.json";
constexpr const char* kPickle = "diffusion_pytorch_model.bin";

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  IMAGO_CHECK(file, "pipeline: cannot read ", path.string());
  return text.str();
}

Json read_object(const fs::path& path) {
  const Json json = Json::parse(read_text(path), nullptr, /*allow_exceptions=*/false);
  IMAGO_CHECK(json.is_object(), "pipeline: ", path.string(), " must hold a JSON object");
  return json;
}

// diffusers' rule: a component lives in its own folder, or in the root if there is none.
fs::path component_folder(const fs::path& root, const char* component) {
  return fs::is_directory(root / component) ? root / component : root;
}

// The second entry of model_index.json's ["diffusers", "UNet2DModel"].
void check_model_index(const fs::path& path) {
  const Json index = read_object(path);
  const Json pipeline = index.value("_class_name", Json());
  IMAGO_CHECK(pipeline == "DDPMPipeline" || pipeline == "DDIMPipeline", "pipeline: ", path.string(),
              " must be of a DDPMPipeline or DDIMPipeline, got ", pipeline.dump());
  const Json unet = index.value("unet", Json());
  IMAGO_CHECK(unet.is_array() && unet.size() == 2 && unet[1] == "UNet2DModel",
              "pipeline: the unet of ", path.string(), " must be a UNet2DModel, got ", unet.dump());
}

void append_tensors(const fs::path& path, nn::StateDict& state) {
  constexpr std::string_view kPointer = "version https://git-lfs";
  std::ifstream file(path, std::ios::binary);
  std::string start(kPointer.size(), '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  IMAGO_CHECK(start != kPointer, "pipeline: ", path.string(),
              " is a git-lfs pointer, not the weights; fetch them with: git lfs pull");
  const data::SafetensorsFile tensors = data::SafetensorsFile::open(path);
  for (const std::string& name : tensors.names()) state.emplace_back(name, tensors.load(name));
}

// The index names the file of every tensor, without folders.
nn::StateDict load_shards(const fs::path& folder) {
  const Json index = read_object(folder / kShardIndex);
  const Json map = index.value("weight_map", Json());
  std::set<std::string> files;
  IMAGO_CHECK(map.is_object(), "pipeline: ", (folder / kShardIndex).string(), " has no weight_map");
  for (const Json& file : map) {
    IMAGO_CHECK(
        file.is_string() && fs::path(file.get<std::string>()).filename() == file.get<std::string>(),
        "pipeline: a shard must be a file name, got ", file.dump());
    files.insert(file.get<std::string>());
  }
  nn::StateDict state;
  for (const std::string& file : files) append_tensors(folder / file, state);
  return state;
}

nn::StateDict load_weights(const fs::path& folder) {
  if (fs::exists(folder / kShardIndex)) return load_shards(folder);
  IMAGO_CHECK(fs::exists(folder / kWeights) || !fs::exists(folder / kPickle),
              "pipeline: ", folder.string(), " has ", kPickle,
              " only, which is a Python pickle; load it in Python once and call save_pretrained()");
  IMAGO_CHECK(fs::exists(folder / kWeights), "pipeline: ", folder.string(), " has no ", kWeights);
  nn::StateDict state;
  append_tensors(folder / kWeights, state);
  return state;
}

// diffusers prefers shards to a single file, so those of an earlier model must go.
void remove_shards(const fs::path& folder) {
  fs::remove(folder / kShardIndex);
  std::vector<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("diffusion_pytorch_model-") && name.ends_with(".safetensors"))
      shards.push_back(entry.path());
  }
  for (const fs::path& shard : shards) fs::remove(shard);
}

std::string model_index(const std::string& scheduler) {
  const Json json = {
      {"_class_name", scheduler == "DDIMScheduler" ? "DDIMPipeline" : "DDPMPipeline"},
      {"_diffusers_version", kDiffusersVersion},
      {"scheduler", {"diffusers", scheduler}},
      {"unet", {"diffusers", "UNet2DModel"}},
  };
  return json.dump(2) + '\n';
}

// JSON as Python writes it may have Infinity in it, which no other parser reads: the class name is
// found in the text.
std::string class_name(std::string_view config) {
  constexpr std::string_view kKey = "\"_class_name\"";
  const size_t key = config.find(kKey);
  IMAGO_CHECK(key != config.npos, "pipeline: the scheduler's config must have a _class_name");
  const size_t begin = config.find('"', key + kKey.size()), end = config.find('"', begin + 1);
  IMAGO_CHECK(begin != config.npos && end != config.npos,
              "pipeline: the scheduler's _class_name must be a string");
  return std::string(config.substr(begin + 1, end - begin - 1));
}

}  // namespace

void save_pipeline(const fs::path& folder, const nn::UNet2D& unet,
                   std::string_view scheduler_config) {
  const std::string scheduler = class_name(scheduler_config);
  const fs::path unet_folder = folder / "unet", scheduler_folder = folder / "scheduler";
  std::error_code error;
  fs::create_directories(unet_folder, error);
  fs::create_directories(scheduler_folder, error);
  IMAGO_CHECK(!error, "pipeline: cannot create ", scheduler_folder.string(), ": ", error.message());
  data::save_safetensors(unet_folder / kWeights, nn::state_dict(unet), {{"format", "pt"}});
  remove_shards(unet_folder);
  data::write_file(unet_folder / "config.json", to_json(unet.config()));
  data::write_file(scheduler_folder / "scheduler_config.json", scheduler_config);
  data::write_file(folder / "model_index.json", model_index(scheduler));
}

LoadedUNet load_unet(const fs::path& root) {
  IMAGO_CHECK(fs::is_directory(root), "pipeline: ", root.string(), " is not a folder");
  if (fs::exists(root / "model_index.json")) check_model_index(root / "model_index.json");
  const fs::path folder = component_folder(root, "unet");
  const nn::ParsedUNet2DConfig parsed = nn::parse_unet2d_config(read_text(folder / "config.json"));
  LoadedUNet loaded{.unet = nn::UNet2D(parsed.config, nn::Init::none()),
                    .unknown_keys = parsed.unknown_keys,
                    .unexpected_tensors = {}};
  loaded.unexpected_tensors = nn::load_state_dict(loaded.unet, load_weights(folder));
  return loaded;
}

std::string load_scheduler_config(const fs::path& root) {
  return read_text(component_folder(root, "scheduler") / "scheduler_config.json");
}

}  // namespace imago::diffusion
