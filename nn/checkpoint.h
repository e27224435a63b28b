// What the blocks of a network compute twice in training, so as not to keep it: autograd/checkpoint.h, with the dropout
// masks of the first time.
#pragma once

#include "autograd/checkpoint.h"

namespace imago::nn {

// Gradients are the same bits at every level.
enum class GradientCheckpointing : uint8_t {
  none,
  norms,   // normalisations and activations in front of convolutions: cheap, and about a third of the memory
  blocks,  // whole residual blocks and attentions: a second forward pass, and of each block only its input is kept
};

// "none", "norms" or "blocks". Throws on other names.
GradientCheckpointing gradient_checkpointing_named(const std::string& name);

// checkpoint(), and recomputed() if `again` (else just f), for functions with dropout in them.
Variable checkpointed(const Function& f, const std::vector<Variable>& inputs);
Variable recomputed_if(bool again, const Function& f, const std::vector<Variable>& inputs);

}  // namespace imago::nn
