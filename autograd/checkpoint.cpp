#include "autograd/checkpoint.h"

#include "autograd/anomaly.h"
#include "autograd/no_grad.h"

namespace imago {
namespace {

// Inputs to be used again: their values, and their places in the graph.
struct Kept {
  std::vector<Saved> values;
  std::vector<std::shared_ptr<Node>> nodes;

  explicit Kept(const std::vector<Variable>& inputs) {
    for (const Variable& input : inputs) {
      values.emplace_back(input);
      nodes.push_back(input.requires_grad() ? input.node() : nullptr);
    }
  }
  std::vector<Variable> with_history() const {
    std::vector<Variable> inputs;
    for (size_t i = 0; i < values.size(); ++i)
      inputs.push_back(values[i].get().defined() ? Variable::at(nodes[i], values[i]) : Variable());
    return inputs;
  }
};

std::vector<Variable> detached(const std::vector<Saved>& values) {
  std::vector<Variable> inputs;
  for (const Saved& value : values) inputs.emplace_back(value.get());
  return inputs;
}

}  // namespace

Variable checkpoint(const Function& f, const std::vector<Variable>& inputs, const Function& again) {
  IMAGO_CHECK(!inputs.empty(), "checkpoint: there must be an input");
  if (!history_enabled()) return f(inputs);
  Tensor y;
  {
    const History forgotten(false);
    y = f(inputs).value();
  }
  const Kept kept(inputs);
  auto node = std::make_shared<Node>();  // younger than all nodes of the inputs
  node->op = "checkpoint";
  node->shape = y.shape();
  node->dtype = y.dtype();
  node->inputs = kept.nodes;
  node->rerun = [run = again ? again : f, kept] { return run(kept.with_history()); };
  return Variable::at(std::move(node), std::move(y));
}

Variable recomputed(const Function& f, const std::vector<Variable>& inputs, const Function& again) {
  const Variable y = f(inputs);
  if (!y.requires_grad()) return y;
  auto recomputation = std::make_shared<Recomputation>();
  recomputation->compute = [run = again ? again : f, values = std::vector<Saved>(inputs.begin(), inputs.end())] {
    const History forgotten(false);
    return run(detached(values)).value();
  };
  return Variable::at(y.node(), y.value(), std::move(recomputation));
}

}  // namespace imago
