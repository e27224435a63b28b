// Activation functions by the names that config files use.
#pragma once

#include <string>

#include "kernels/options.h"

namespace imago::nn {

// "silu" or "swish", "mish", "gelu" (exact), "relu", in any case. Throws on other names.
UnaryOp activation_named(const std::string& name);

}  // namespace imago::nn
