// Models as folders that diffusers' DDPMPipeline.from_pretrained() loads, and that it wrote.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "nn/unet2d.h"

namespace imago::diffusion {

// Writes
//   folder/model_index.json
//   folder/unet/config.json, folder/unet/diffusion_pytorch_model.safetensors
//   folder/scheduler/scheduler_config.json
// each file under a temporary name first; what is there of another model is replaced.
// `scheduler_config` is the text of the last one, its _class_name says which scheduler it is for.
void save_pipeline(const std::filesystem::path& folder, const nn::UNet2D& unet,
                   std::string_view scheduler_config);

// `folder` is a pipeline with the model in folder/unet or, as older ones have it, in the folder
// itself; or only the model. The weights may be in shards, in a file of PyTorch's (.bin), of half
// precision; a variant like "fp16" is read if it is asked for. Throws on anything that is not a
// UNet2DModel with exactly its weights.
nn::UNet2D load_unet(const std::filesystem::path& folder, const std::string& variant = "");

// Whether there is a scheduler beside the model.
bool has_scheduler(const std::filesystem::path& folder);
// The text of the pipeline's scheduler_config.json, with the class that diffusers takes for its _class_name:
// DDIMScheduler for a DDIMPipeline, else the one that model_index.json names, else the text's own, else DDPMScheduler.
std::string load_scheduler_config(const std::filesystem::path& folder);

}  // namespace imago::diffusion
