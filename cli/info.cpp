// What is in a model, a training run, a folder of pictures, or a file of weights.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>

#include "autograd/no_grad.h"
#include "cli/commands.h"
#include "core/memory_plan.h"
#include "data/image_folder.h"
#include "data/safetensors.h"
#include "data/torch_file.h"
#include "diffusion/pipeline.h"
#include "diffusion/scheduler_config.h"
#include "examples/program/progress.h"
#include "examples/program/run_directory.h"
#include "nn/describe.h"
#include "nn/module.h"

namespace imago::cli {
namespace {

namespace fs = std::filesystem;

template <typename T>
std::string joined(const std::vector<T>& numbers) {
  std::string out;
  for (const T n : numbers) out += (out.empty() ? "" : ", ") + std::to_string(n);
  return out;
}

// Parameters by the first part of their names: conv_in, down_blocks.0, mid_block, ...
void print_parts(const nn::UNet2D& unet) {
  std::vector<std::pair<std::string, int64_t>> parts;
  for (const auto& [name, parameter] : nn::named_parameters(unet)) {
    size_t end = name.find('.');
    if (name.compare(end + 1, 1, "0") >= 0 && std::isdigit(static_cast<unsigned char>(name[end + 1])))
      end = name.find('.', end + 1);
    const std::string part = name.substr(0, end);
    if (parts.empty() || parts.back().first != part) parts.emplace_back(part, 0);
    parts.back().second += parameter.numel();
  }
  const double total = static_cast<double>(nn::parameter_count(unet));
  for (const auto& [part, count] : parts)
    fmt::print("  {:<24} {:>12} {:>5.1f} %\n", part, count, 100 * static_cast<double>(count) / total);
}

// Found out without drawing, and without training.
void print_memory(const nn::UNet2D& unet, const nn::ImageSize& size) {
  const nn::UNet2DConfig& c = unet.config();
  const auto call = [&](int64_t pictures) {
    const Tensor t = Tensor::zeros({pictures}, DType::i64);
    const Tensor labels = !c.has_classes()                     ? Tensor()
                          : c.class_embed_type == "identity" ? Tensor::zeros({pictures, c.embedding_width()})
                                                               : t;
    return unet(Tensor::zeros({pictures, size.height, size.width, c.in_channels}), t, labels);
  };
  const auto peak = [](const std::function<void()>& work) { return dry_run(default_device(), work).peak(); };
  const auto draw = [&](int64_t pictures) {
    return peak([&] {
      const NoGrad no_grad;
      call(pictures);
    });
  };
  const auto train = [&](int64_t pictures) {
    const size_t bytes = peak([&] { mean(call(pictures)).backward(); });
    for (auto& [name, parameter] : nn::named_parameters(unet)) parameter.zero_grad();
    return bytes;
  };
  const auto weights = static_cast<size_t>(nn::parameter_count(unet)) * sizeof(float);
  const size_t one = draw(1), two = draw(2), step = train(1), step_of_two = train(2);
  fmt::print("memory to draw: {}, and {} for every further picture of a batch\n", program::megabytes(weights + one),
             program::megabytes(two - one));
  // Beside the weights, AdamW's two moments and the moving average.
  fmt::print("memory to train: {}, and {} for every further picture of a batch\n",
             program::megabytes(4 * weights + step), program::megabytes(step_of_two - step));
}

void print_scheduler(const std::string& json) {
  try {
    const auto [class_name, s] = diffusion::parse_scheduler_config(json);
    fmt::print("scheduler: {}, {} time steps, {} betas, predicts {}\n", class_name, s.num_train_timesteps,
               diffusion::name_of(s.beta_schedule), diffusion::name_of(s.prediction_type));
  } catch (const Error& error) {  // of a class that is not here, say
    fmt::print("scheduler: {}\n", error.what());
  }
}

int model_info(const fs::path& folder) {
  const nn::UNet2D unet = diffusion::load_unet(folder);
  const nn::UNet2DConfig& c = unet.config();
  const int64_t parameters = nn::parameter_count(unet);
  fmt::print("UNet2DModel in {}\n", folder.string());
  if (c.sample_size)
    fmt::print("pictures: {} x {}, {} channels; {:.2f} GFLOP for each call of the model on one\n",
               c.sample_size->height, c.sample_size->width, c.out_channels,
               static_cast<double>(nn::describe(unet, *c.sample_size).flops_per_image) / 1e9);
  fmt::print("levels: {} channels, {} layers each\n", joined(c.block_out_channels), c.layers_per_block);
  for (size_t i = 0; i < c.down_block_types.size(); ++i)
    fmt::print("  {:<28} {}\n", c.down_block_types[i], c.up_block_types[c.up_block_types.size() - 1 - i]);
  fmt::print("parameters: {} ({:.2f} M, {} as f32)\n", parameters, static_cast<double>(parameters) / 1e6,
             program::megabytes(static_cast<size_t>(parameters) * sizeof(float)));
  print_parts(unet);
  if (c.sample_size) print_memory(unet, *c.sample_size);
  if (!diffusion::has_scheduler(folder)) return 0;  // unet/ by itself, say
  print_scheduler(diffusion::load_scheduler_config(folder));
  return 0;
}

int run_info(const fs::path& folder) {
  fmt::print("a training run in {}\n", folder.string());
  for (const fs::path& checkpoint : program::checkpoints(folder)) fmt::print("  {}\n", checkpoint.filename().string());
  const fs::path model = folder / "model";
  if (fs::exists(model / "model_index.json")) return model_info(model);
  fmt::print("no finished model in it yet; a checkpoint's model_ema/ is one that can be drawn with\n");
  return 0;
}

void print_tensor(const std::string& name, const std::string& type, const std::string& shape) {
  fmt::print("  {:<60} {:>5} ({})\n", name, type, shape);
}

// Of torch.save(), with PyTorch's names of the types: "Float".
int torch_file_info(const fs::path& path) {
  const data::TorchFile file = data::TorchFile::open(path);
  for (const data::PickledTensor& tensor : file.tensors())
    print_tensor(tensor.name, tensor.storage_type.substr(0, tensor.storage_type.find("Storage")), joined(tensor.shape));
  fmt::print("{} tensors, {}\n", file.tensors().size(), program::megabytes(fs::file_size(path)));
  return 0;
}

int file_info(const fs::path& path) {
  if (path.extension() == ".bin") return torch_file_info(path);
  const data::SafetensorsFile file = data::SafetensorsFile::open(path);
  uint64_t bytes = 0;
  for (const std::string& name : file.names()) {
    const data::SafetensorsInfo& info = file.info(name);
    print_tensor(name, info.dtype, joined(info.shape));
    bytes += info.end - info.begin;
  }
  fmt::print("{} tensors, {}\n", file.names().size(), program::megabytes(bytes));
  for (const auto& [key, value] : file.metadata()) fmt::print("{}: {}\n", key, value);
  return 0;
}

int pictures_info(const fs::path& folder) {
  const data::ImageFolder set = data::load_image_folder(folder, {.resolution = 8});
  fmt::print("{} pictures in {}\n", set.files.size(), folder.string());
  std::map<std::string, int> counts;
  if (!set.classes.empty())
    for (const std::string& file : set.files) ++counts[file.substr(0, file.find('/'))];
  for (const auto& [name, count] : counts) fmt::print("  {:<32} {:>6}\n", name, count);
  if (set.other_files) fmt::print("{} other files\n", set.other_files);
  for (const auto& [file, why] : set.skipped) fmt::print("cannot be read: {}: {}\n", file, why);
  return 0;
}

int info(const fs::path& path) {
  IMAGO_CHECK(fs::exists(path), "info: there is no ", path.string());
  if (!fs::is_directory(path)) return file_info(path);
  if (fs::exists(path / "model_index.json") || fs::exists(path / "config.json")) return model_info(path);
  if (fs::exists(path / "metrics.jsonl")) return run_info(path);
  for (const char* model : {"model_ema", "model"})  // of a checkpoint
    if (fs::exists(path / model / "model_index.json")) return model_info(path / model);
  return pictures_info(path);
}

}  // namespace

Command add_info(CLI::App& app) {
  const auto path = std::make_shared<std::string>();
  app.add_option("path", *path, "folder of a model, of a run, of pictures; or a .safetensors or .bin file")->required();
  return [path] { return info(*path); };
}

}  // namespace imago::cli
