#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("reshape is a view with the same values", "[reshape]") {
  const Variable x(randn({2, 3, 4}), true);
  const Variable y = reshape(x, {6, -1});
  CHECK(y.shape() == Shape{6, 4});
  CHECK(y.value().shares_memory_with(x.value()));
  CHECK(reshape(x, Shape{24}).value().to_vector<double>() == x.value().to_vector<double>());
}

TEST_CASE("reshape hands gradients back in the old shape", "[reshape][gradient]") {
  const auto f = [](const std::vector<Variable>& v) { return reshape(v[0], {4, 6}) * reshape(v[0], {4, -1}); };
  CHECK(gradient_error(f, {randn({2, 3, 4})}) < kGradientTolerance);
  const Variable x(Tensor({0, 3}), true);
  reshape(x, Shape{3, 0}).backward(Tensor({3, 0}));
  CHECK(x.grad().shape() == Shape{0, 3});
}

TEST_CASE("reshape refuses another number of elements", "[reshape][errors]") {
  CHECK_THROWS_WITH(reshape(Variable(randn({2, 3})), {4}), "reshape: (2, 3) has 6 elements, (4) has 4");
}
