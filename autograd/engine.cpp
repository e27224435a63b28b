// The backward pass. A node's gradient is complete when every node that was made later has been
// processed, because an operation's inputs exist before its output. So: always take the youngest
// node that has a gradient.
#include <queue>

#include "autograd/anomaly.h"
#include "autograd/no_grad.h"
#include "autograd/variable.h"
#include "core/op_label.h"
#include "kernels/axpy.h"

namespace imago {
namespace {

// node.grad += g, the only place where gradients are added. A sum is written in place where nobody
// else can see it.
void accumulate(Node& node, const Tensor& g) {
  if (!node.grad.defined()) {
    // What a leaf keeps after backward is its own: an addition, say, hands the same dy to both of
    // its inputs.
    const bool leaf = node.inputs.empty();
    node.grad = leaf && !g.unique() ? g.clone() : g;
    return;
  }
  if (!node.grad_bound && !node.grad.unique()) node.grad = node.grad.clone();
  kernels::axpy(1, g, node.grad);
}

// Where a value is bf16, its gradient may be f32, as sums are, and the other way round where gradients of a bf16 leaf
// gather in f32.
bool fits(DType gradient, const Node& input) {
  return gradient == input.dtype || (gradient == DType::f32 && input.dtype == DType::bf16) ||
         (gradient == DType::bf16 && input.dtype == DType::f32 && input.grad_bound);
}

void check_gradient(const Node& from, size_t i, const Node& input, const Tensor& g) {
  IMAGO_CHECK(g.defined(), from.op, ": backward gave no gradient for input ", i);
  IMAGO_CHECK(g.shape() == input.shape && fits(g.dtype(), input), from.op, ": gradient of input ",
              i, " must be ", input.shape, " ", input.dtype, ", got ", g.shape(), " ", g.dtype());
}

struct Younger {
  bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
    return a->sequence < b->sequence;
  }
};

using Queue =
    std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, Younger>;

void hand_on(const Tensor& g, const std::shared_ptr<Node>& to, Queue& queue) {
  const bool leaf = to->inputs.empty();
  if (!leaf && !to->grad.defined()) queue.push(to);
  accumulate(*to, to->dtype == DType::bf16 ? g.to(DType::bf16) : g);
}

// The graph that a part of the forward pass left is grown again, behind the nodes that are there. Its nodes are the
// youngest now, as they were among those that are left, so the order of all additions is what it would have been.
void grow(const char* op, const std::function<Variable()>& rerun, const Tensor& dy, Queue& queue) {
  const History recorded(true);
  const Variable y = rerun();
  IMAGO_CHECK(y.shape() == dy.shape() && y.dtype() == dy.dtype(), op, ": the second run must make ", dy.shape(), " ",
              dy.dtype(), " as the first did, got ", y.shape(), " ", y.dtype());
  if (y.requires_grad()) hand_on(dy, y.node(), queue);
}

// Calls the node's closure and hands its gradients on; newly reached nodes join the queue.
void step(Node& node, bool retain_graph, Queue& queue) {
  const OpLabel label(node.op);
  const Tensor dy = std::exchange(node.grad, Tensor());
  IMAGO_CHECK(!node.used, "backward: the graph through ", node.op,
              " has already been used and released; run the forward pass again, or pass "
              "retain_graph to the first call");
  Needs need;
  for (size_t i = 0; i < node.inputs.size(); ++i) need[i] = node.inputs[i] != nullptr;
  node.used = !retain_graph;
  if (node.rerun) return grow(node.op, retain_graph ? node.rerun : std::exchange(node.rerun, nullptr), dy, queue);
  const Backward backward = retain_graph ? node.backward : std::exchange(node.backward, nullptr);
  const Grads grads = backward(dy, need);
  IMAGO_CHECK(grads.size() == node.inputs.size(), node.op, ": backward must return ",
              node.inputs.size(), " gradients, got ", grads.size());
  for (size_t i = 0; i < grads.size(); ++i) {
    if (!need[i]) continue;
    check_gradient(node, i, *node.inputs[i], grads[i]);
    if (AnomalyScope* scope = AnomalyScope::current()) scope->look_at_gradient(node, i, dy, grads[i]);
    hand_on(grads[i], node.inputs[i], queue);
  }
}

}  // namespace

void Variable::backward(bool retain_graph) const {
  IMAGO_CHECK(defined(), "backward: the variable is undefined");
  IMAGO_CHECK(numel() == 1, "backward: the loss must have one element, got shape ", shape(),
              "; reduce it with mean() or sum(), or pass its gradient");
  backward(Tensor::full(shape(), 1, dtype(), value().device()), retain_graph);
}

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  IMAGO_CHECK(
      requires_grad(),
      "backward: the variable has no history: none of the inputs it was made from requires a "
      "gradient, or it was made under NoGrad");
  IMAGO_CHECK(seed.shape() == shape() && seed.dtype() == dtype(), "backward: seed must be ",
              shape(), " ", dtype(), ", got ", seed.shape(), " ", seed.dtype());
  if (node()->inputs.empty()) return accumulate(*node(), seed);

  Queue queue;
  accumulate(*node(), seed);
  queue.push(node());
  try {
    while (!queue.empty()) {
      const std::shared_ptr<Node> youngest = queue.top();
      queue.pop();
      step(*youngest, retain_graph, queue);
    }
  } catch (...) {  // interior gradients live only while the engine runs, whatever way it ends
    for (; !queue.empty(); queue.pop()) queue.top()->grad = {};
    throw;
  }
}

}  // namespace imago
