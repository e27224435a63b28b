// What every layer and model is: parameters with names, and a forward of its own signature.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace imago::nn {

class Module;

// Walks over the parameters of a module and of its children. A module's visit() calls it once per
// member, in the order and under the names of its state dict; what is absent (an undefined bias, an
// empty optional) has no entry there.
class ParameterVisitor {
 public:
  using Callback = std::function<void(const std::string& name, const Variable& parameter)>;

  explicit ParameterVisitor(Callback callback) : callback_(std::move(callback)) {}

  void operator()(const std::string& name, const Variable& parameter) const;
  void operator()(const std::string& name, const Module& child) const;
  template <typename M>
  void operator()(const std::string& name, const std::optional<M>& child) const {
    if (child) (*this)(name, *child);
  }
  // Children are named name.0, name.1, ...
  template <typename M>
  void operator()(const std::string& name, const std::vector<M>& children) const {
    for (size_t i = 0; i < children.size(); ++i)
      (*this)(name + '.' + std::to_string(i), children[i]);
  }

 private:
  Callback callback_;
  mutable std::string prefix_;  // "down_blocks.0." while the visit is in there
};

class Module {
 public:
  virtual ~Module() = default;
  virtual void visit(const ParameterVisitor& visitor) const = 0;
};

using NamedParameters = std::vector<std::pair<std::string, Variable>>;

// In state-dict order. The Variables are handles: set_value() on one sets the module's parameter.
// Those that do not require a gradient are stored but not trained.
NamedParameters named_parameters(const Module& module);
// How many numbers the module is made of, the untrained ones included.
int64_t parameter_count(const Module& module);

}  // namespace imago::nn
