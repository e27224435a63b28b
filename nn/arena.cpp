#include "nn/arena.h"

#include <set>

#include "core/op_label.h"

namespace imago::nn {

ParameterArena::ParameterArena(const std::vector<std::pair<std::string, Variable>>& parameters,
                               std::optional<DType> compute) {
  std::set<std::string> names;
  std::set<const Node*> nodes;
  int64_t size = 0;
  DType dtype = DType::f32;
  for (const auto& [name, variable] : parameters) {
    if (!variable.requires_grad()) continue;
    IMAGO_CHECK(names.insert(name).second, "ParameterArena: there are two parameters named ", name);
    IMAGO_CHECK(nodes.insert(variable.node().get()).second, "ParameterArena: ", name,
                " is the same parameter as one before it");
    if (entries_.empty()) dtype = variable.dtype();
    IMAGO_CHECK(dtype == DType::f32 || dtype == DType::f64,
                "ParameterArena: parameters must be f32 or f64, got ", dtype, " for ", name);
    IMAGO_CHECK(variable.dtype() == dtype, "ParameterArena: parameters must all be ", dtype,
                ", got ", variable.dtype(), " for ", name);
    entries_.push_back({name, variable.shape(), size});
    variables_.push_back(variable);
    numel_ += variable.numel();
    size += (variable.numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
  IMAGO_CHECK(!entries_.empty(), "ParameterArena: there is nothing to train among ",
              parameters.size(), " parameters");
  const Device device = variables_[0].value().device();
  const auto zeros = [&](const char* what) {
    const OpLabel label(what);
    return Tensor::zeros({size}, dtype, device);
  };
  values_ = zeros("parameters");
  gradients_ = zeros("gradients");
  for (size_t i = 0; i < entries_.size(); ++i) {
    part(values_, entries_[i]).copy_from(variables_[i].value());
    variables_[i].bind_grad(part(gradients_, entries_[i]));
  }
  if (compute.value_or(dtype) != dtype) {
    IMAGO_CHECK(dtype == DType::f32 && compute == DType::bf16,
                "ParameterArena: parameters of ", dtype, " cannot be computed with in ", *compute);
    shadow_ = values_.to(DType::bf16);
  }
  show(shadow_.defined() ? shadow_ : values_);
}

Tensor ParameterArena::zeros() const {
  const OpLabel label("optimizer");
  return Tensor::zeros_like(values_);
}

void ParameterArena::show(const Tensor& flat) {
  for (size_t i = 0; i < entries_.size(); ++i) variables_[i].set_value(part(flat, entries_[i]));
}

EmaScope::EmaScope(ParameterArena& arena, const Tensor& flat, Show show) : arena_(arena) {
  IMAGO_CHECK(flat.shape() == arena.values_.shape() && flat.dtype() == arena.values_.dtype(),
              "EmaScope: flat must be ", arena.values_.shape(), " ", arena.values_.dtype(),
              ", got ", flat.shape(), " ", flat.dtype());
  IMAGO_CHECK(!arena.swapped_, "EmaScope: another one is open already");
  const bool rounded = show == Show::rounded && arena.shadow_.defined();
  arena.show(rounded ? flat.to(arena.shadow_.dtype()) : flat);
  arena.swapped_ = true;
}

EmaScope::~EmaScope() {
  arena_.show(arena_.shadow_.defined() ? arena_.shadow_ : arena_.values_);
  arena_.swapped_ = false;
}

}  // namespace imago::nn
