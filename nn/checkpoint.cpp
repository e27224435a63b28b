#include "nn/checkpoint.h"

#include "nn/training.h"

namespace imago::nn {
namespace {

// f as it would run now, whenever it is called.
Function with_these_masks(const Function& f) {
  return [f, upcoming = Training::upcoming_mask()](const std::vector<Variable>& inputs) {
    const Training as_before(upcoming);
    return f(inputs);
  };
}

}  // namespace

GradientCheckpointing gradient_checkpointing_named(const std::string& name) {
  using enum GradientCheckpointing;
  if (name == "none") return none;
  if (name == "norms") return norms;
  if (name == "blocks") return blocks;
  fail("gradient checkpointing must be none, norms or blocks, got \"", name, '"');
}

Variable checkpointed(const Function& f, const std::vector<Variable>& inputs) {
  return checkpoint(f, inputs, with_these_masks(f));
}

Variable recomputed_if(bool again, const Function& f, const std::vector<Variable>& inputs) {
  return again ? recomputed(f, inputs, with_these_masks(f)) : f(inputs);
}

}  // namespace imago::nn
