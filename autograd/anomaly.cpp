#include "autograd/anomaly.h"

#include "kernels/non_finite.h"

namespace imago {
namespace {

thread_local AnomalyScope* scope = nullptr;

struct Anomaly : Error {
  using Error::Error;
};

int64_t non_finite(const Tensor& t) {
  if (!t.defined() || !is_floating(t.dtype())) return 0;
  return static_cast<int64_t>(kernels::count_non_finite(t).item());
}

std::string how_many(int64_t bad, const Tensor& t) {
  return concat(bad, " of ", t.numel(), t.numel() == 1 ? " value is" : " values are", " not finite");
}

}  // namespace

AnomalyScope::AnomalyScope(const Names& names, std::string where) : where_(std::move(where)), before_(scope) {
  for (const auto& [name, variable] : names)
    if (variable.requires_grad()) names_.emplace(variable.node().get(), name);
  scope = this;
}
AnomalyScope::~AnomalyScope() { scope = before_; }

AnomalyScope* AnomalyScope::current() { return scope; }

std::string AnomalyScope::name_of(const Node* node) const {
  const auto found = names_.find(node);
  return found == names_.end() ? "" : found->second;
}

// "conv_in.weight (16, 3, 3, 1)", and whether the trouble came with it.
std::string AnomalyScope::describe(const Variable& v) const {
  const std::string name = v.requires_grad() ? name_of(v.node().get()) : "";
  const int64_t bad = non_finite(v.value());
  return concat(name, name.empty() ? "" : " ", v.shape(), bad ? concat(" of which ", how_many(bad, v.value())) : "");
}

void AnomalyScope::look_at_result(const char* op, const Variable& y, const std::vector<Variable>& inputs) {
  ++operations_;
  const int64_t bad = non_finite(y.value());
  if (!bad && !y.requires_grad()) return;
  std::string from;
  for (const Variable& input : inputs) {
    if (!input.defined()) continue;
    const std::string name = input.requires_grad() ? name_of(input.node().get()) : "";
    from += concat(from.empty() ? "" : ", ",
                   bad ? describe(input) : concat(name, name.empty() ? "" : " ", input.shape()));
  }
  const std::string place = concat(op, ", operation ", operations_, " of the forward pass: ", y.shape(),
                                   from.empty() ? "" : " from ", from);
  if (bad) throw Anomaly(concat(where_, ": ", how_many(bad, y.value()), " in the result of ", place));
  places_[y.node().get()] = place;
}

void AnomalyScope::look_at_gradient(const Node& node, size_t input, const Tensor& dy, const Tensor& gradient) {
  const int64_t bad = non_finite(gradient);
  if (!bad) return;
  const auto found = places_.find(&node);
  const std::string name = name_of(node.inputs[input].get()), place = found == places_.end() ? node.op : found->second;
  const int64_t before = non_finite(dy);
  throw Anomaly(concat(where_, ": ", how_many(bad, gradient), " in the gradient of input ", input,
                       name.empty() ? "" : ", ", name, ", in the backward pass of ", place,
                       before ? concat("; of what came from behind ", how_many(before, dy)) : ""));
}

std::string find_anomaly(const AnomalyScope::Names& names, const std::string& where,
                         const std::function<Variable()>& loss) {
  const AnomalyScope watched(names, where);
  try {
    loss().backward();
  } catch (const Anomaly& anomaly) {
    return anomaly.what();
  }
  return "";
}

}  // namespace imago
