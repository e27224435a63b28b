#include "nn/attention.h"
#include "nn/conv2d.h"
#include "nn/state_dict.h"
#include "tests/golden.h"

using namespace imago;
using namespace imago::test;
using nn::Init;

namespace {

// One convolution and one attention under the names of a UNet.
struct Small : nn::Module {
  explicit Small(const Init& init)
      : conv(init, 2, 3, 3), attentions{nn::Attention(init, 4, {.head_dim = 2, .groups = 2})} {}
  void visit(const nn::ParameterVisitor& visitor) const override {
    visitor("conv", conv);
    visitor("mid.attentions", attentions);
  }
  nn::Conv2d conv;
  std::vector<nn::Attention> attentions;
};

void rename(nn::StateDict& state, const std::string& before, const std::string& after) {
  for (auto& [name, value] : state)
    if (const size_t at = name.find(before); at != std::string::npos)
      name.replace(at, before.size(), after);
}

bool same_parameters(const nn::Module& a, const nn::Module& b) {
  const nn::NamedParameters x = nn::named_parameters(a), y = nn::named_parameters(b);
  for (size_t i = 0; i < x.size(); ++i)
    if (largest_gap(x[i].second.value(), y[i].second.value()) != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("a state dict has PyTorch's layouts", "[state_dict]") {
  const Small module(Init::random(0));
  const nn::StateDict state = nn::state_dict(module);
  CHECK(state.size() == 12);
  CHECK(state[0].first == "conv.weight");
  CHECK(state[0].second.shape() == Shape{3, 2, 3, 3});
  const std::vector<float> ours = nn::named_parameters(module)[0].second.value().to_vector<float>();
  const std::vector<float> theirs = state[0].second.to_vector<float>();
  for (size_t o = 0; o < 3; ++o)
    for (size_t i = 0; i < 2; ++i)
      for (size_t k = 0; k < 9; ++k)
        CHECK(theirs[(o * 2 + i) * 9 + k] == ours[(o * 9 + k) * 2 + i]);
}

TEST_CASE("a state dict loads what it saved, into the same memory", "[state_dict]") {
  const Small from(Init::random(0)), to(Init::random(1));
  const Tensor before = nn::named_parameters(to)[0].second.value();
  CHECK_FALSE(same_parameters(from, to));
  nn::load_state_dict(to, nn::state_dict(from));
  CHECK(same_parameters(from, to));
  CHECK(before.shares_memory_with(nn::named_parameters(to)[0].second.value()));
}

TEST_CASE("a state dict is converted to the module's type", "[state_dict]") {
  const Small from(Init::random(0)), to(Init::random(1, DType::f64));
  nn::StateDict state = nn::state_dict(from);
  nn::load_state_dict(to, state);
  CHECK(same_parameters(to, from));
  for (auto& [name, value] : state) value = value.to(DType::bf16);
  nn::load_state_dict(from, state);
  CHECK(largest_gap(nn::state_dict(from)[0].second, nn::state_dict(to)[0].second) < 2e-3);
  CHECK_FALSE(same_parameters(to, from));
}

TEST_CASE("a state dict may have attention's old names", "[state_dict]") {
  const Small from(Init::random(0)), to(Init::random(1));
  nn::StateDict state = nn::state_dict(from);
  rename(state, "to_q", "query");
  rename(state, "to_k", "key");
  rename(state, "to_v", "value");
  rename(state, "to_out.0", "proj_attn");
  nn::load_state_dict(to, state);
  CHECK(same_parameters(from, to));
}

TEST_CASE("a state dict that does not fit is refused and changes nothing", "[state_dict][errors]") {
  const Small module(Init::random(0)), untouched(Init::random(0)), other(Init::random(1));
  const nn::StateDict good = nn::state_dict(other);
  nn::StateDict state(good.begin(), good.end() - 1);
  CHECK_THROWS_WITH(nn::load_state_dict(module, state),
                    "load_state_dict: missing: mid.attentions.0.to_out.0.bias");
  state = good;
  state[0].second = Tensor({3, 3, 3, 2});
  CHECK_THROWS_WITH(nn::load_state_dict(module, state),
                    "load_state_dict: conv.weight must be (3, 2, 3, 3), got (3, 3, 3, 2)");
  state = good;
  state[1].second = Tensor({3}, DType::i32);
  CHECK_THROWS_WITH(nn::load_state_dict(module, state),
                    "load_state_dict: conv.bias must be floating-point, got i32");
  state = good;
  state.emplace_back("mid.attentions.0.query.bias", Tensor::zeros({4}));
  CHECK_THROWS_WITH(nn::load_state_dict(module, state),
                    "load_state_dict: mid.attentions.0.to_q.bias is there twice, as "
                    "mid.attentions.0.to_q.bias and as "
                    "mid.attentions.0.query.bias");
  CHECK(same_parameters(module, untouched));
}

TEST_CASE("everything that does not fit in a state dict is told at once", "[state_dict][errors]") {
  const Small module(Init::random(0)), untouched(Init::random(0));
  nn::StateDict state = nn::state_dict(Small(Init::random(1)));
  state.erase(state.begin() + 2, state.begin() + 4);
  state[0].second = Tensor({1, 2, 3, 3});
  state[1].second = Tensor({1});
  state.emplace_back("ema.decay", Tensor::zeros({1}));
  state.emplace_back("conv.query.weight", Tensor::zeros({1}));
  CHECK_THROWS_WITH(
      nn::load_state_dict(module, state),
      "load_state_dict: missing: mid.attentions.0.group_norm.weight, "
      "mid.attentions.0.group_norm.bias; unexpected: conv.query.weight, ema.decay; conv.weight "
      "must be (3, 2, 3, 3), got (1, 2, 3, 3), conv.bias must be (3), got (1)");
  CHECK(same_parameters(module, untouched));
  for (int i = 0; i < 60; ++i) state.emplace_back(concat("more.", i), Tensor::zeros({1}));
  CHECK_THROWS_WITH(nn::load_state_dict(module, state),
                    Contains("more.51 and 12 more; conv.weight must"));
}
