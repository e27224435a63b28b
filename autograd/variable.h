// A Variable is a tensor with a history: the graph of operations that made it, so that gradients can flow back.
#pragma once

#include <bitset>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace imago {

using Needs = std::bitset<32>;      // bit i: input i wants its gradient
using Grads = std::vector<Tensor>;  // one per input, in input order; undefined where not wanted
// The vector-Jacobian product of one operation: from the gradient of its output to the gradients of its inputs.
// It is a pure function: only the engine adds gradients up.
using Backward = std::function<Grads(const Tensor& dy, Needs need)>;

class Variable;
using Function = std::function<Variable(const std::vector<Variable>&)>;

struct Node;
struct Recomputation;

class Variable {
 public:
  Variable() = default;  // undefined
  // A leaf. With requires_grad, backward() leaves the gradient in grad().
  Variable(Tensor value, bool requires_grad = false);

  bool defined() const { return state_ != nullptr; }
  // Throws if this is undefined, as does everything below that asks for the value.
  const Tensor& value() const {
    if (!state_) [[unlikely]] fail_undefined();
    return state_->value;
  }
  const Shape& shape() const { return value().shape(); }
  int rank() const { return value().rank(); }
  int64_t dim(int i) const { return value().dim(i); }
  int64_t numel() const { return value().numel(); }
  DType dtype() const { return value().dtype(); }
  bool requires_grad() const { return state_ && state_->node != nullptr; }

  // d(loss)/d(this) after backward(): leaves only, undefined before.
  Tensor grad() const;
  // Forgets the gradient, or zeroes it where bind_grad() gave it a home.
  void zero_grad();

  // For whoever owns the leaf (an optimiser's arena, a loaded checkpoint): replaces the value by one of the same shape
  // and type. Every copy of this Variable sees it. Where gradients are bound to f32, the value may be f32 or bf16.
  void set_value(Tensor value);
  // From now on gradients are added into this tensor, which must have the value's shape and type, or be f32 where the
  // value is bf16.
  void bind_grad(Tensor grad);

  // The same value without history.
  Variable detach() const { return defined() ? Variable(value()) : Variable(); }

  // Adds d(this)/d(leaf) to the gradient of every leaf that this depends on. Throws if this has more than one element,
  // has no history, or if its graph was already used; retain_graph keeps the graph for another call.
  void backward(bool retain_graph = false) const;
  // The same from a given gradient of this, of this shape and type.
  void backward(const Tensor& seed, bool retain_graph = false) const;

  const std::shared_ptr<Node>& node() const {
    if (!state_) [[unlikely]] fail_undefined();
    return state_->node;
  }
  // How to get the value again, for whoever would keep it for backward; null where it is to be kept.
  const std::shared_ptr<Recomputation>& recomputation() const { return state_->recomputation; }
  // A value with a given place in a graph, for what takes graphs apart and joins them: autograd/checkpoint.cpp.
  static Variable at(std::shared_ptr<Node> node, Tensor value, std::shared_ptr<Recomputation> recomputation = nullptr);

 private:
  [[noreturn]] static void fail_undefined();
  friend Variable record(const char*, Tensor, const std::vector<Variable>&, Backward);
  struct State {
    Tensor value;
    std::shared_ptr<Node> node;  // null if no gradient is wanted
    std::shared_ptr<Recomputation> recomputation;
  };
  std::shared_ptr<State> state_;
};

// One operation in the graph, or a leaf. It refers to the nodes of its inputs but not to their values: what a backward
// needs is what its closure holds, nothing else stays alive.
struct Node {
  const char* op = "leaf";
  uint64_t sequence = 0;  // creation order: inputs come before outputs
  Shape shape;            // of the output, hence of its gradient
  DType dtype = DType::f32;  // of the gradient: the output's, or f32 for a bf16 leaf whose gradients are bound to f32
  std::vector<std::shared_ptr<Node>> inputs;  // null where an input wants no gradient
  Backward backward;                          // empty for a leaf, and after the graph was used
  // In place of backward: makes the output once more, with the graph behind it, which backward then goes through.
  std::function<Variable()> rerun;
  Tensor grad;                                // leaves; for others only while the engine runs
  bool grad_bound = false;                    // grad is a view that has to be kept
  bool used = false;

  Node();
  ~Node();
};

// How to get a value again that nobody keeps. Who reads it first computes it, for everybody who saved it.
struct Recomputation {
  std::function<Tensor()> compute;
  Tensor value;
};

// A tensor kept for backward, or the way to get it again. Reading it checks that nobody has overwritten it since.
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& tensor) : tensor_(tensor), version_(tensor.version()) {}
  Saved(const Variable& variable) {
    if (!variable.defined()) return;
    if (variable.recomputation()) recomputation_ = variable.recomputation();
    else *this = Saved(variable.value());
  }
  operator const Tensor&() const { return get(); }
  const Tensor& get() const {
    if (recomputation_) {
      if (!recomputation_->value.defined()) recomputation_->value = recomputation_->compute();
      return recomputation_->value;
    }
    IMAGO_CHECK(tensor_.version() == version_, "backward: a tensor of shape ", tensor_.shape(),
                " that was saved for backward has been written to in place since; clone() it first");
    return tensor_;
  }

 private:
  Tensor tensor_;
  uint64_t version_ = 0;
  std::shared_ptr<Recomputation> recomputation_;
};

// Wraps the result `y` of operation `op` and, if any input wants a gradient and gradients are enabled, remembers how to
// get it. Undefined inputs (an absent bias) are allowed and never want one.
Variable record(const char* op, Tensor y, const std::vector<Variable>& inputs, Backward backward);

}  // namespace imago
