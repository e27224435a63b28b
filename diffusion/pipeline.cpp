#include "diffusion/pipeline.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "data/atomic_file.h"
#include "data/safetensors.h"
#include "diffusion/scheduler_config.h"
#include "diffusion/weights.h"
#include "nn/diffusers_version.h"
#include "nn/state_dict.h"

namespace imago::diffusion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";
constexpr const char* kShardIndex = "diffusion_pytorch_model.safetensors.index.json";

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  IMAGO_CHECK(file, "pipeline: cannot read ", path.string());
  return text.str();
}

Json read_object(const fs::path& path) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= 2; };
  const Json json = Json::parse(read_text(path), shallow, /*allow_exceptions=*/false);
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

// What model_index.json says of the scheduler's class, if there is such a file and it does.
std::optional<std::string> class_in_index(const fs::path& path) {
  if (!fs::exists(path)) return {};
  const Json index = read_object(path), scheduler = index.value("scheduler", Json());
  if (index.value("_class_name", Json()) == "DDIMPipeline") return "DDIMScheduler";  // whatever it was saved with
  if (!scheduler.is_array() || scheduler.size() != 2 || !scheduler[1].is_string()) return {};
  return scheduler[1].get<std::string>();
}

fs::path scheduler_file(const fs::path& root) {
  return component_folder(root, "scheduler") / "scheduler_config.json";
}

}  // namespace

void save_pipeline(const fs::path& folder, const nn::UNet2D& unet,
                   std::string_view scheduler_config) {
  const std::optional<std::string> scheduler = class_name_in(scheduler_config);
  IMAGO_CHECK(scheduler, "pipeline: the scheduler's config must have a _class_name");
  const fs::path unet_folder = folder / "unet", scheduler_folder = folder / "scheduler";
  std::error_code error;
  fs::create_directories(unet_folder, error);
  fs::create_directories(scheduler_folder, error);
  IMAGO_CHECK(!error, "pipeline: cannot create ", scheduler_folder.string(), ": ", error.message());
  data::save_safetensors(unet_folder / kWeights, nn::state_dict(unet), {{"format", "pt"}});
  remove_shards(unet_folder);
  data::write_file(unet_folder / "config.json", to_json(unet.config()));
  data::write_file(scheduler_folder / "scheduler_config.json", scheduler_config);
  data::write_file(folder / "model_index.json", model_index(*scheduler));
}

nn::UNet2D load_unet(const fs::path& root, const std::string& variant) {
  IMAGO_CHECK(fs::is_directory(root), "pipeline: ", root.string(), " is not a folder");
  if (fs::exists(root / "model_index.json")) check_model_index(root / "model_index.json");
  const fs::path folder = component_folder(root, "unet");
  nn::UNet2D unet(nn::parse_unet2d_config(read_text(folder / "config.json")), nn::Init::none());
  nn::load_state_dict(unet, load_weights(folder, variant));
  return unet;
}

bool has_scheduler(const fs::path& root) { return fs::exists(scheduler_file(root)); }

std::string load_scheduler_config(const fs::path& root) {
  const std::string text = read_text(scheduler_file(root));
  const std::optional<std::string> own = class_name_in(text), chosen = class_in_index(root / "model_index.json");
  const std::string name = chosen ? *chosen : own.value_or("DDPMScheduler");
  return own == name ? text : with_class_name(text, name);
}

}  // namespace imago::diffusion
