// Parameters as files know them: by diffusers' names, in PyTorch's layouts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace imago::nn {

class Module;

using StateDict = std::vector<std::pair<std::string, Tensor>>;

// A copy of every parameter on the CPU, in state-dict order. Convolution weights are (O, I, KH, KW).
StateDict state_dict(const Module& module);

// Sets every parameter, converted to its type and device. Names of attention weights from before
// 2023 (query, key, value, proj_attn) are understood. If any tensor is missing, is there twice, has
// another shape, or belongs to no parameter, throws a message that lists all of them, and leaves the
// module as it was.
void load_state_dict(const Module& module, const StateDict& state);

}  // namespace imago::nn
