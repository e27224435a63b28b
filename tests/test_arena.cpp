#include "nn/arena.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using nn::EmaScope;
using nn::ParameterArena;

namespace {

struct Parameters {
  Variable a{randn({3, 5}), true}, b{randn({17}), true}, frozen{randn({4})};
  std::vector<std::pair<std::string, Variable>> named() const {
    return {{"a", a}, {"frozen", frozen}, {"b", b}};
  }
};

}  // namespace

TEST_CASE("arena keeps values and makes them views of one buffer", "[arena]") {
  const Parameters p;
  const Tensor a = p.a.value(), b = p.b.value(), frozen = p.frozen.value();
  ParameterArena arena(p.named());
  CHECK(difference(p.a.value(), a) == 0);
  CHECK(difference(p.b.value(), b) == 0);
  CHECK(p.a.value().shares_memory_with(arena.values()));
  CHECK(p.b.value().shares_memory_with(arena.values()));
  CHECK(p.frozen.value().shares_memory_with(frozen));
  CHECK(arena.numel() == 15 + 17);
  REQUIRE(arena.entries().size() == 2);
  CHECK(arena.entries()[1].name == "b");
  CHECK(arena.entries()[1].shape == Shape{17});
  CHECK(arena.entries()[1].offset == 16);

  arena.values().fill(2);
  CHECK(p.a.value().to_vector<double>() == std::vector<double>(15, 2));
}

TEST_CASE("arena gathers gradients in one buffer", "[arena]") {
  Parameters p;
  ParameterArena arena(p.named());
  p.a.backward(Tensor::full({3, 5}, 1, DType::f64));
  p.a.backward(Tensor::full({3, 5}, 2, DType::f64));
  const Tensor part = ParameterArena::part(arena.gradients(), arena.entries()[0]);
  CHECK(part.to_vector<double>() == std::vector<double>(15, 3));
  CHECK(p.a.grad().shares_memory_with(arena.gradients()));
  arena.zero_grad();
  CHECK(p.a.grad().to_vector<double>() == std::vector<double>(15, 0));
}

TEST_CASE("EmaScope shows other values and brings the old ones back", "[arena]") {
  const Parameters p;
  const Tensor a = p.a.value().clone();
  ParameterArena arena(p.named());
  Tensor average = arena.zeros();
  average.fill(7);
  {
    const EmaScope scope(arena, average);
    CHECK(arena.swapped());
    CHECK(p.a.value().to_vector<double>() == std::vector<double>(15, 7));
    CHECK(p.b.value().to_vector<double>() == std::vector<double>(17, 7));
    CHECK_THROWS_WITH(EmaScope(arena, average), "EmaScope: another one is open already");
  }
  CHECK_FALSE(arena.swapped());
  CHECK(difference(p.a.value(), a) == 0);
  CHECK(p.a.value().shares_memory_with(arena.values()));
}

TEST_CASE("arena names the bad parameter", "[arena][errors]") {
  const Parameters p;
  const Variable narrow(randn({2}, DType::f32), true);
  CHECK_THROWS_WITH(ParameterArena({{"a", p.a}, {"a", p.b}}),
                    "ParameterArena: there are two parameters named a");
  CHECK_THROWS_WITH(ParameterArena({{"a", p.a}, {"b", p.a}}),
                    "ParameterArena: b is the same parameter as one before it");
  CHECK_THROWS_WITH(ParameterArena({{"a", p.a}, {"c", narrow}}),
                    "ParameterArena: parameters must all be f64, got f32 for c");
  CHECK_THROWS_WITH(ParameterArena({{"frozen", p.frozen}}),
                    "ParameterArena: there is nothing to train among 1 parameters");
  ParameterArena arena(p.named());
  CHECK_THROWS_WITH(EmaScope(arena, randn({3})), "EmaScope: flat must be (48) f64, got (3) f64");
}
