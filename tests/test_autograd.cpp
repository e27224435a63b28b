// The engine, tested with operations of its own, small enough to be checked by eye.
#include <thread>

#include "autograd/no_grad.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

Tensor mapped(const Tensor& a, const Tensor& b, double (*f)(double, double)) {
  Tensor y(a.shape(), DType::f64);
  for (int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = f(a.data<double>()[i], b.data<double>()[i]);
  return y;
}
double times(double a, double b) { return a * b; }

Variable plus(const Variable& a, const Variable& b) {
  Tensor y = mapped(a.value(), b.value(), [](double p, double q) { return p + q; });
  return record("plus", y, {a, b}, [](const Tensor& dy, Needs) -> Grads { return {dy, dy}; });
}

Variable product(const Variable& a, const Variable& b) {
  return record("product", mapped(a.value(), b.value(), times), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& dy, Needs need) -> Grads {
                  return {need[0] ? mapped(dy, b, times) : Tensor(), need[1] ? mapped(dy, a, times) : Tensor()};
                });
}

Variable total(const Variable& x) {
  double sum = 0;
  for (const double v : x.value().span<double>()) sum += v;
  return record("total", Tensor::full({}, sum, DType::f64), {x}, [shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    return {Tensor::full(shape, dy.item(), DType::f64)};
  });
}

Variable leaf(std::initializer_list<double> values, bool requires_grad = true) {
  return Variable(Tensor::from(values, {static_cast<int64_t>(values.size())}), requires_grad);
}

std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }
using Values = std::vector<double>;

}  // namespace

TEST_CASE("gradients of a product and a sum", "[autograd]") {
  const Variable a = leaf({2, 3}), b = leaf({5, 7});
  const Variable loss = total(plus(product(a, b), a));
  CHECK(loss.value().item() == 10 + 21 + 2 + 3);
  loss.backward();
  CHECK(values(a.grad()) == Values{6, 8});
  CHECK(values(b.grad()) == Values{2, 3});
}

TEST_CASE("gradients add up over calls until they are zeroed", "[autograd]") {
  Variable a = leaf({2, 3});
  for (int call = 1; call <= 3; ++call) {
    total(product(a, a)).backward();
    CHECK(values(a.grad()) == Values{4.0 * call, 6.0 * call});
  }
  a.zero_grad();
  CHECK_FALSE(a.grad().defined());
  total(a).backward();
  CHECK(values(a.grad()) == Values{1, 1});
}

TEST_CASE("a leaf used many times gathers every use", "[autograd]") {
  const Variable a = leaf({1, -2});
  Variable y = a;
  for (int i = 0; i < 99; ++i) y = plus(y, a);
  total(y).backward();
  CHECK(values(a.grad()) == Values{100, 100});
}

TEST_CASE("a node waits for all of its users", "[autograd]") {
  // y_{k+1} = y_k * y_k twice over, joined: without waiting, the inner nodes would run once per path, 2^20 times.
  const Variable a = leaf({1});
  Variable y = a;
  int calls = 0;
  for (int i = 0; i < 20; ++i) {
    const Variable once = record("count", y.value(), {y}, [&calls](const Tensor& dy, Needs) -> Grads {
      ++calls;
      return {dy};
    });
    y = plus(once, once);
  }
  total(y).backward();
  CHECK(values(a.grad()) == Values{1 << 20});
  CHECK(calls == 20);
}

TEST_CASE("a short and a long path to the same node", "[autograd]") {
  const Variable a = leaf({3});
  const Variable shared = product(a, a);  // 9
  Variable far = shared;
  for (int i = 0; i < 5; ++i) far = product(far, leaf({2}, false));
  total(product(far, shared)).backward();  // 32 a^4
  CHECK(values(a.grad()) == Values{32 * 4 * 27});
}

TEST_CASE("only what requires a gradient gets one", "[autograd]") {
  const Variable a = leaf({2}), constant = leaf({5}, false);
  Needs seen;
  const Variable y = record("spy", product(a, constant).value(), {a, constant, Variable()},
                            [&](const Tensor& dy, Needs need) -> Grads {
                              seen = need;
                              return {dy, Tensor(), Tensor()};
                            });
  y.backward();
  CHECK(seen == Needs(1));
  CHECK_FALSE(constant.grad().defined());
  CHECK_FALSE(product(constant, constant).requires_grad());
  CHECK_FALSE(product(a, constant).detach().requires_grad());
  CHECK_FALSE(Variable().detach().defined());
}

TEST_CASE("no history is kept under NoGrad, on this thread", "[autograd]") {
  const Variable a = leaf({2});
  {
    const NoGrad outer;
    CHECK_FALSE(product(a, a).requires_grad());
    {
      const NoGrad inner;
    }
    CHECK_FALSE(grad_enabled());
    bool elsewhere = false;
    std::thread([&] { elsewhere = product(a, a).requires_grad(); }).join();
    CHECK(elsewhere);
  }
  CHECK(product(a, a).requires_grad());
}

TEST_CASE("leaves own their gradients", "[autograd]") {
  const Variable a = leaf({1}), b = leaf({2});
  const Tensor seed = Tensor::full({1}, 3, DType::f64);
  plus(a, b).backward(seed);
  CHECK_FALSE(a.grad().shares_memory_with(b.grad()));
  CHECK_FALSE(a.grad().shares_memory_with(seed));
  const Tensor kept = a.grad();
  plus(a, b).backward(seed);
  CHECK(values(kept) == Values{3});
  CHECK(values(a.grad()) == Values{6});
}

TEST_CASE("gradients go into the memory they are bound to", "[autograd]") {
  Tensor arena = Tensor::zeros({4}, DType::f64);
  Variable a = leaf({1, 2}), b = leaf({3, 4});
  a.bind_grad(arena.slice(0, 2));
  b.bind_grad(arena.slice(2, 4));
  total(product(a, b)).backward();
  CHECK(values(arena) == Values{3, 4, 1, 2});
  total(product(a, b)).backward();
  CHECK(values(arena) == Values{6, 8, 2, 4});
  CHECK(a.grad().shares_memory_with(arena));
  a.zero_grad();
  CHECK(values(arena) == Values{0, 0, 2, 4});
}

TEST_CASE("a leaf as the loss gets the seed", "[autograd]") {
  const Variable a = leaf({4});
  a.backward();
  a.backward(Tensor::full({1}, 2, DType::f64));
  CHECK(values(a.grad()) == Values{3});
}

TEST_CASE("backward releases what was saved", "[autograd]") {
  const auto in_use = [] { return memory_stats(default_device()).in_use; };
  const Variable a(Tensor::full({1000}, 2, DType::f64), true);
  const size_t before = in_use();
  const Variable loss = total(product(product(a, a), a));
  const size_t recorded = in_use();
  CHECK(recorded > before + 8000);  // a * a is kept
  loss.backward();
  CHECK(in_use() <= before + 8000 + 2000 + 256);  // the gradient of a in its size class, and the loss, which lives on
  CHECK(in_use() < recorded + 8000);
}

TEST_CASE("retain_graph allows a second backward", "[autograd]") {
  const Variable a = leaf({3});
  const Variable loss = product(a, a);
  loss.backward(true);
  loss.backward(true);
  loss.backward();
  CHECK(values(a.grad()) == Values{18});
  CHECK_THROWS_WITH(loss.backward(),
                    "backward: the graph through product has already been used and released; run "
                    "the forward pass again, "
                    "or pass retain_graph to the first call");
  CHECK(values(a.grad()) == Values{18});
}

TEST_CASE("a used part under a new graph is found out", "[autograd]") {
  const Variable a = leaf({3});
  const Variable shared = product(a, a);
  total(shared).backward();
  const Variable again = total(plus(shared, shared));
  CHECK_THROWS_WITH(again.backward(), Contains("the graph through product has already been used"));
  CHECK_FALSE(shared.grad().defined());
  CHECK(values(a.grad()) == Values{6});
}

TEST_CASE("an exception in a closure leaves no gradients inside the graph", "[autograd]") {
  const Variable a = leaf({3});
  const Variable inner = product(a, a), side = product(a, a);
  bool fail_now = true;
  const Variable fragile = record("fragile", inner.value(), {inner}, [&](const Tensor& dy, Needs) -> Grads {
    IMAGO_CHECK(!fail_now, "fragile: not today");
    return {dy};
  });
  const Variable loss = total(plus(plus(fragile, inner), side));
  CHECK_THROWS_WITH(loss.backward(true), "fragile: not today");
  for (const Variable& v : {inner, side, fragile, loss}) CHECK_FALSE(v.grad().defined());
  CHECK_FALSE(a.grad().defined());
  fail_now = false;
  loss.backward();
  CHECK(values(a.grad()) == Values{18});
}

TEST_CASE("a saved tensor that was overwritten is found out", "[autograd]") {
  Tensor x = Tensor::full({2}, 3, DType::f64);
  const Variable a(x, true);
  const Variable loss = total(product(a, a));
  x.fill(4);
  CHECK_THROWS_WITH(
      loss.backward(),
      "backward: a tensor of shape (2) that was saved for backward has been written to in "
      "place since; clone() it first");
}

TEST_CASE("deep graphs need no deep stack", "[autograd]") {
  for (const int depth : {10000, 200000}) {
    const Variable a = leaf({1});
    {
      Variable y = a;
      for (int i = 0; i < depth; ++i) y = plus(y, a);
      y.backward();
      CHECK(values(a.grad()) == Values{depth + 1.0});
    }  // a chain that was used dies here
    Variable y = a;
    for (int i = 0; i < depth; ++i) y = plus(y, a);
  }  // and here one that was not
}

TEST_CASE("closures that hold variables need no deep stack either", "[autograd]") {
  Variable y = leaf({1});
  for (int i = 0; i < 200000; ++i)
    y = record("hold", y.value(), {y}, [y](const Tensor& dy, Needs) -> Grads { return {dy}; });
}

TEST_CASE("set_value is seen by every copy", "[autograd]") {
  Variable a = leaf({1});
  const Variable copy = a;
  a.set_value(Tensor::full({1}, 5, DType::f64));
  CHECK(values(copy.value()) == Values{5});
}

TEST_CASE("gradient_error tells right from wrong", "[autograd][gradcheck]") {
  const auto cube = [](double wrong) {
    return [wrong](const std::vector<Variable>& v) {
      return record("cube", mapped(mapped(v[0].value(), v[0].value(), times), v[0].value(), times), {v[0]},
                    [x = Saved(v[0]), wrong](const Tensor& dy, Needs) -> Grads {
                      Tensor dx = mapped(mapped(dy, x, times), x, times);
                      for (double& d : dx.span<double>()) d *= 3 + wrong;
                      return {dx};
                    });
    };
  };
  const Tensor x = randn({3, 5});
  CHECK(gradient_error(cube(0), {x}) < 1e-8);
  CHECK(gradient_error(cube(1e-3), {x}) > 1e-4);
  CHECK(gradient_error(cube(-6), {x}) > 1);
  const auto forgets_second = [](const std::vector<Variable>& v) {
    return record("forget", mapped(v[0].value(), v[1].value(), times), {v[0], v[1].detach()},
                  [b = Saved(v[1])](const Tensor& dy, Needs) -> Grads { return {mapped(dy, b, times), Tensor()}; });
  };
  CHECK(gradient_error(forgets_second, {x, randn({3, 5}, DType::f64, 4)}) > 0.5);
  const auto not_a_number = [](const std::vector<Variable>& v) {
    return record("nan", mapped(v[0].value(), v[0].value(), [](double, double) { return std::nan(""); }), {v[0]},
                  [](const Tensor& dy, Needs) -> Grads { return {dy}; });
  };
  CHECK(std::isinf(gradient_error(not_a_number, {x})));
  int calls = 0;
  const auto moody = [&](const std::vector<Variable>& v) {
    return record("moody", Tensor::full(v[0].shape(), ++calls, DType::f64), {v[0]},
                  [](const Tensor& dy, Needs) -> Grads { return {dy}; });
  };
  CHECK_THROWS_WITH(gradient_error(moody, {x}), "gradient_error: the function is not deterministic");
  CHECK_THROWS_WITH(gradient_error(cube(0), {x.to(DType::f32)}), "gradient_error: inputs must be f64, got f32");
}

TEST_CASE("autograd names what is wrong", "[autograd][errors]") {
  Variable a = leaf({1, 2}), constant = leaf({1}, false);
  CHECK_THROWS_WITH(Variable().backward(), "backward: the variable is undefined");
  const std::string undefined = "Variable: is undefined and has no value";
  CHECK_THROWS_WITH(Variable().value(), undefined);
  CHECK_THROWS_WITH(Variable().shape(), undefined);
  CHECK_THROWS_WITH(Variable().node(), undefined);
  CHECK_THROWS_WITH(a * Variable(), undefined);
  CHECK_THROWS_WITH(
      product(a, a).backward(),
      "backward: the loss must have one element, got shape (2); reduce it with mean() "
      "or sum(), or pass its gradient");
  CHECK_THROWS_WITH(
      constant.backward(),
      "backward: the variable has no history: none of the inputs it was made from requires "
      "a gradient, or it was made under NoGrad");
  CHECK_THROWS_WITH(a.backward(Tensor::full({3}, 1, DType::f64)), "backward: seed must be (2) f64, got (3) f64");
  CHECK_THROWS_WITH(a.backward(Tensor::full({2}, 1)), "backward: seed must be (2) f64, got (2) f32");
  CHECK_THROWS_WITH(a.set_value(Tensor({3}, DType::f64)), "set_value: value must be (2) f64, got (3) f64");
  CHECK_THROWS_WITH(a.bind_grad(Tensor({2})), "bind_grad: grad must be (2) f64, got (2) f32");
  CHECK_THROWS_WITH(constant.bind_grad(Tensor({1}, DType::f64)),
                    "bind_grad: only leaves that require a gradient have a home for it");
  CHECK_THROWS_WITH(Variable(Tensor({2}, DType::i64), true),
                    "Variable: only floating-point tensors have gradients, got i64");
  Variable result = product(a, a);
  CHECK_THROWS_WITH(result.set_value(Tensor({2}, DType::f64)),
                    "set_value: only leaves can be set, this is the result of product");

  const auto returns = [&](const Grads& grads) {
    return record("bad", Tensor::full({}, 1, DType::f64), {a}, [grads](const Tensor&, Needs) { return grads; });
  };
  CHECK_THROWS_WITH(returns({}).backward(), "bad: backward must return 1 gradients, got 0");
  CHECK_THROWS_WITH(returns({Tensor()}).backward(), "bad: backward gave no gradient for input 0");
  CHECK_THROWS_WITH(returns({Tensor({3}, DType::f64)}).backward(),
                    "bad: gradient of input 0 must be (2) f64, got (3) f64");
  CHECK_THROWS_WITH(record("many", Tensor({1}), std::vector<Variable>(33, a), {}), "many: at most 32 inputs, got 33");
}
