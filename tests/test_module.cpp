#include "nn/conv2d.h"
#include "nn/linear.h"
#include "nn/module.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

struct Pair : nn::Module {
  Pair() : frozen(Tensor({7})) { layers.assign(2, nn::Linear(nn::Init::none(), 2, 3)); }
  void visit(const nn::ParameterVisitor& visitor) const override {
    visitor("layers", layers);
    visitor("absent", absent);
    visitor("none", none);
    visitor("frozen", frozen);
  }
  std::vector<nn::Linear> layers;
  std::optional<nn::Linear> absent;
  Variable none, frozen;
};

struct Outer : nn::Module {
  void visit(const nn::ParameterVisitor& visitor) const override {
    visitor("a.0", pair);
    visitor("b", pair.frozen);
  }
  Pair pair;
};

}  // namespace

TEST_CASE("a module's parameters are named by their path", "[module]") {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : nn::named_parameters(Outer())) names.push_back(name);
  CHECK(names == std::vector<std::string>{"a.0.layers.0.weight", "a.0.layers.0.bias",
                                          "a.0.layers.1.weight", "a.0.layers.1.bias", "a.0.frozen",
                                          "b"});
  CHECK(nn::parameter_count(Outer()) == 2 * (2 * 3 + 3) + 2 * 7);
}

TEST_CASE("setting a named parameter sets the module's", "[module]") {
  const nn::Linear layer(nn::Init::random(0), 2, 1);
  nn::NamedParameters parameters = nn::named_parameters(layer);
  parameters[0].second.set_value(Tensor::from<float>({2, 3}, {1, 2}));
  parameters[1].second.set_value(Tensor::from<float>({5}, {1}));
  CHECK(layer(Tensor::from<float>({10, 100}, {1, 2})).value().item() == 325);
}
