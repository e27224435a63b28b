// The files that diffusers keeps the weights of a model in.
#pragma once

#include <filesystem>
#include <string>

#include "nn/state_dict.h"

namespace imago::diffusion {

// Reads diffusion_pytorch_model.safetensors, or the shards that its index names, or the same with
// .bin instead, in the order in which diffusers looks for them. A variant has its name before the
// last part: diffusion_pytorch_model.fp16.safetensors; it is read only if asked for. Throws if there
// is none of them, if one cannot be read, or if shards do not have what their index says.
nn::StateDict load_weights(const std::filesystem::path& folder, const std::string& variant = "");

}  // namespace imago::diffusion
