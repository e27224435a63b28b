#include "nn/activation.h"

#include <algorithm>
#include <cctype>

#include "core/check.h"

namespace imago::nn {

UnaryOp activation_named(const std::string& name) {
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "silu" || lower == "swish") return UnaryOp::silu;
  if (lower == "mish") return UnaryOp::mish;
  if (lower == "gelu") return UnaryOp::gelu;
  if (lower == "relu") return UnaryOp::relu;
  fail("activation: name must be silu, swish, mish, gelu or relu, got \"", name, '"');
}

}  // namespace imago::nn
