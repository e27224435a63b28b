#include "nn/module.h"

namespace imago::nn {

void ParameterVisitor::operator()(const std::string& name, const Variable& parameter) const {
  if (parameter.defined()) callback_(prefix_ + name, parameter);
}

void ParameterVisitor::operator()(const std::string& name, const Module& child) const {
  const size_t length = prefix_.size();
  prefix_ += name + '.';
  child.visit(*this);
  prefix_.resize(length);
}

NamedParameters named_parameters(const Module& module) {
  NamedParameters list;
  module.visit(ParameterVisitor([&](const std::string& name, const Variable& parameter) {
    list.emplace_back(name, parameter);
  }));
  return list;
}

int64_t parameter_count(const Module& module) {
  int64_t count = 0;
  module.visit(ParameterVisitor(
      [&](const std::string&, const Variable& parameter) { count += parameter.numel(); }));
  return count;
}

}  // namespace imago::nn
