// Finding the operation that made the first infinity or NaN.
#pragma once

#include <string>
#include <unordered_map>

#include "autograd/variable.h"

namespace imago {

// While one lives, the result of every operation on this thread is looked at, and every gradient that a backward pass
// makes; the first that is not finite throws a sentence that says what made it. Each look waits for the device, so a
// step takes several times as long.
class AnomalyScope {
 public:
  using Names = std::vector<std::pair<std::string, Variable>>;

  // The names are those of parameters; `where`, "step 12" say, is what the sentence begins with.
  AnomalyScope(const Names& names, std::string where);
  ~AnomalyScope();
  AnomalyScope(const AnomalyScope&) = delete;
  AnomalyScope& operator=(const AnomalyScope&) = delete;

  static AnomalyScope* current();  // null outside

  // For record() and the engine.
  void look_at_result(const char* op, const Variable& y, const std::vector<Variable>& inputs);
  void look_at_gradient(const Node& node, size_t input, const Tensor& dy, const Tensor& gradient);

 private:
  std::string describe(const Variable& v) const;
  std::string name_of(const Node* node) const;

  std::string where_;
  std::unordered_map<const Node*, std::string> names_, places_;  // of leaves; of operations
  int64_t operations_ = 0;
  AnomalyScope* before_;
};

// Computes a loss and its gradients under an AnomalyScope, for a step that turned out not to be finite: the sentence
// that names the culprit, or "" if everything is finite now. Gradients are left behind.
std::string find_anomaly(const AnomalyScope::Names& names, const std::string& where,
                         const std::function<Variable()>& loss);

}  // namespace imago
