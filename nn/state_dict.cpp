#include "nn/state_dict.h"

#include <algorithm>
#include <array>
#include <map>

#include "nn/conv_layout.h"
#include "nn/module.h"

namespace imago::nn {
namespace {

// The names that attention projections had in diffusers before 0.13, and have since.
constexpr std::array<std::pair<const char*, const char*>, 4> kRenamed = {
    {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};

// "mid_block.attentions.0.query.weight" -> "mid_block.attentions.0.to_q.weight"
std::string current_name(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (name.find("attentions.") == std::string::npos || dot == std::string::npos) return name;
  const std::string path = name.substr(0, dot);
  for (const auto& [before, after] : kRenamed)
    if (path.ends_with(concat('.', before)))
      return path.substr(0, path.size() - std::string(before).size()) + after + name.substr(dot);
  return name;
}

// "; missing: a, b", or "" without names. A model of another kind differs in hundreds of them.
std::string list(const char* title, const std::vector<std::string>& names) {
  constexpr size_t kShown = 50;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += (i == 0 ? concat("; ", title) : ", ") + names[i];
  return names.size() <= kShown ? text : concat(text, " and ", names.size() - kShown, " more");
}

Shape file_shape(const Shape& s) { return s.rank() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s; }

}  // namespace

StateDict state_dict(const Module& module) {
  StateDict state;
  for (const auto& [name, parameter] : named_parameters(module)) {
    const Tensor value = parameter.value().to(Device::cpu);
    state.emplace_back(name, value.rank() == 4 ? ohwi_to_oihw(value) : value.clone());
  }
  return state;
}

void load_state_dict(const Module& module, const StateDict& state) {
  std::map<std::string, const StateDict::value_type*> found;
  std::vector<std::string> missing, unexpected, wrong;
  for (const auto& entry : state) {
    const auto [place, is_new] = found.emplace(current_name(entry.first), &entry);
    if (!is_new)
      wrong.push_back(concat(place->first, " is there twice, as ", place->second->first, " and as ",
                             entry.first));
  }

  std::vector<std::pair<Variable, Tensor>> loaded;
  for (auto& [name, parameter] : named_parameters(module)) {
    const auto entry = found.find(name);
    if (entry == found.end()) {
      missing.push_back(name);
      continue;
    }
    const Tensor& value = entry->second->second;
    const Shape wanted = file_shape(parameter.shape());
    if (value.shape() != wanted)
      wrong.push_back(concat(name, " must be ", wanted, ", got ", value.shape()));
    else if (!is_floating(value.dtype()))
      wrong.push_back(concat(name, " must be floating-point, got ", value.dtype()));
    else
      loaded.emplace_back(parameter, value);
    found.erase(entry);
  }
  for (const auto& [name, entry] : found) unexpected.push_back(entry->first);
  const std::string complaint =
      list("missing: ", missing) + list("unexpected: ", unexpected) + list("", wrong);
  IMAGO_CHECK(complaint.empty(), "load_state_dict: ", complaint.substr(2));

  for (const auto& [parameter, value] : loaded) {
    const Tensor ours = value.rank() == 4 ? oihw_to_ohwi(value) : value;
    Tensor(parameter.value()).copy_from(ours.to(parameter.value().device()));
  }
}

}  // namespace imago::nn
