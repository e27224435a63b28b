#include "autograd/variable.h"

#include <atomic>

#include "autograd/anomaly.h"
#include "autograd/no_grad.h"
#include "core/op_label.h"

namespace imago {
namespace {

std::atomic<uint64_t> next_sequence{0};
thread_local bool gradients = true, history = true;

}  // namespace

bool grad_enabled() { return gradients; }
bool history_enabled() { return gradients && history; }

NoGrad::NoGrad() : before_(gradients) { gradients = false; }
NoGrad::~NoGrad() { gradients = before_; }

History::History(bool enabled) : grad_before_(gradients), history_before_(history) {
  gradients = true;
  history = enabled;
}
History::~History() {
  gradients = grad_before_;
  history = history_before_;
}

Node::Node() : sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}

// A chain of nodes would destroy itself recursively, one stack frame per operation. Nodes that die
// here are put on a list instead, and the outermost destructor empties it.
Node::~Node() {
  thread_local std::vector<std::shared_ptr<Node>>* doomed = nullptr;
  if (doomed) {
    for (auto& input : inputs) doomed->push_back(std::move(input));
    return;
  }
  std::vector<std::shared_ptr<Node>> list = std::move(inputs);
  doomed = &list;
  backward = nullptr, rerun = nullptr;  // a closure may hold Variables, hence nodes
  while (!list.empty()) {
    const std::shared_ptr<Node> node = std::move(list.back());
    list.pop_back();
  }
  doomed = nullptr;
}

Variable::Variable(Tensor value, bool requires_grad) {
  if (!value.defined()) return;
  IMAGO_CHECK(!requires_grad || is_floating(value.dtype()),
              "Variable: only floating-point tensors have gradients, got ", value.dtype());
  state_ = std::make_shared<State>();
  if (requires_grad) {
    state_->node = std::make_shared<Node>();
    state_->node->shape = value.shape();
    state_->node->dtype = value.dtype();
  }
  state_->value = std::move(value);
}

Variable Variable::at(std::shared_ptr<Node> node, Tensor value, std::shared_ptr<Recomputation> recomputation) {
  Variable out(std::move(value));
  out.state_->node = std::move(node);
  out.state_->recomputation = std::move(recomputation);
  return out;
}

void Variable::fail_undefined() { fail("Variable: is undefined and has no value"); }

Tensor Variable::grad() const { return requires_grad() ? state_->node->grad : Tensor(); }

void Variable::zero_grad() {
  if (!requires_grad()) return;
  Node& node = *state_->node;
  if (node.grad_bound)
    node.grad.fill(0);
  else
    node.grad = {};
}

void Variable::set_value(Tensor value) {
  IMAGO_CHECK(defined() && value.defined(),
              "set_value: the variable and the value must be defined");
  const bool other_type = requires_grad() && state_->node->grad_bound && is_floating(value.dtype()) &&
                          accumulator(value.dtype()) == state_->node->dtype;
  IMAGO_CHECK(value.shape() == shape() && (value.dtype() == dtype() || other_type), "set_value: value must be ",
              shape(), " ", dtype(), ", got ", value.shape(), " ", value.dtype());
  IMAGO_CHECK(!requires_grad() || state_->node->inputs.empty(),
              "set_value: only leaves can be set, this is the result of ", state_->node->op);
  state_->value = std::move(value);
}

void Variable::bind_grad(Tensor grad) {
  IMAGO_CHECK(requires_grad() && state_->node->inputs.empty(),
              "bind_grad: only leaves that require a gradient have a home for it");
  IMAGO_CHECK(grad.shape() == shape() && (grad.dtype() == dtype() || grad.dtype() == accumulator(dtype())),
              "bind_grad: grad must be ", shape(), " ", dtype(), ", got ", grad.shape(), " ", grad.dtype());
  state_->node->dtype = grad.dtype();
  state_->node->grad = std::move(grad);
  state_->node->grad_bound = true;
}

Variable record(const char* op, Tensor y, const std::vector<Variable>& inputs, Backward backward) {
  label_memory(y.raw(), y.device(), op);
  Variable out(std::move(y));
  bool wanted = false;
  for (const Variable& v : inputs) wanted |= v.requires_grad();
  if (!wanted || !history_enabled()) {
    if (AnomalyScope* scope = AnomalyScope::current()) scope->look_at_result(op, out, inputs);
    return out;
  }
  IMAGO_CHECK(inputs.size() <= Needs().size(), op, ": at most ", Needs().size(), " inputs, got ",
              inputs.size());
  auto node = std::make_shared<Node>();
  node->op = op;
  node->shape = out.shape();
  node->dtype = out.dtype();
  node->backward = std::move(backward);
  node->inputs.reserve(inputs.size());
  for (const Variable& v : inputs) node->inputs.push_back(v.requires_grad() ? v.node() : nullptr);
  out.state_->node = std::move(node);
  if (AnomalyScope* scope = AnomalyScope::current()) scope->look_at_result(op, out, inputs);
  return out;
}

}  // namespace imago
