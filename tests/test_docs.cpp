// What docs/ shows and claims, compiled and run. A passage between "// snippet NAME" and "// end"
// stands in a page word for word; tests/check_docs.sh compares them.
#include "core/graph.h"
#include "core/memory_plan.h"
#include "core/random.h"
#include "tests/support.h"

using namespace imago;
using imago::test::Contains;

TEST_CASE("docs: the worked example of the autograd chapter", "[docs]") {
  // snippet worked_example
  const Variable w(Tensor::from({2.0}, {1}), true), x(Tensor::from({3.0}, {1}), true);
  const Variable u = w * x;  // 6
  const Variable v = u + w;  // 8
  const Variable L = u * v;  // 48
  L.backward();
  // w.grad() is 48, x.grad() is 28
  // end
  CHECK(u.value().item() == 6);
  CHECK(v.value().item() == 8);
  CHECK(L.value().item() == 48);
  CHECK(w.grad().item() == 48);
  CHECK(x.grad().item() == 28);
}

TEST_CASE("docs: the order in the worked example", "[docs]") {
  // The same graph with closures that tell when they are called and with what.
  std::vector<std::string> calls;
  std::vector<double> arrived;
  const auto spy = [&](const char* name, const Variable& y, const std::vector<Variable>& inputs,
                       std::vector<double> factors) {
    return record(name, y.value(), inputs, [&calls, &arrived, name, factors](const Tensor& dy, Needs) {
      calls.push_back(name);
      arrived.push_back(dy.item());
      Grads grads;
      for (const double f : factors) grads.push_back(Tensor::full({1}, f * dy.item(), DType::f64));
      return grads;
    });
  };
  const auto leaf = [](double value) { return Variable(Tensor::from({value}, {1}), true); };
  const Variable w = leaf(2), x = leaf(3);
  const Variable u = spy("u", leaf(6), {w, x}, {3, 2});
  const Variable v = spy("v", leaf(8), {u, w}, {1, 1});
  const Variable L = spy("L", leaf(48), {u, v}, {8, 6});
  L.backward();
  CHECK(calls == std::vector<std::string>{"L", "v", "u"});
  CHECK(arrived == std::vector<double>{1, 6, 14});
  CHECK(w.grad().item() == 48);
  CHECK(x.grad().item() == 28);
}

TEST_CASE("docs: the softmax of the autograd chapter", "[docs]") {
  const Variable x(Tensor::from({0.0, std::log(2.0), std::log(5.0)}, {3}), true);
  const Variable y = softmax(x);
  CHECK(test::difference(y.value(), Tensor::from({0.125, 0.25, 0.625}, {3})) < 1e-15);
  y.backward(Tensor::from({1.0, 0.0, 2.0}, {3}));
  CHECK(test::difference(x.grad(), Tensor::from({-0.046875, -0.34375, 0.390625}, {3})) < 1e-15);
}

TEST_CASE("docs: an overwritten value is found out", "[docs]") {
  // snippet overwritten
  Tensor memory = Tensor::from({1.0, 2.0}, {2});
  const Variable x(memory, true);
  const Variable y = sum(x * x);  // backward will need x
  memory.fill(0);                 // and here it is gone
  CHECK_THROWS_WITH(y.backward(), Contains("has been written to in place since; clone() it first"));
  // end
}

TEST_CASE("docs: a gradient check", "[docs]") {
  // snippet gradient_check
  const auto f = [](const std::vector<Variable>& v) { return softmax(v[0] * v[1]); };
  const Tensor a = randn({4, 5}, {.seed = 1}, DType::f64), b = randn({4, 5}, {.seed = 2}, DType::f64);
  CHECK(gradient_error(f, {a, b}) < 1e-6);
  // end
}

TEST_CASE("docs: noise drawn in parts is the noise drawn at once", "[docs]") {
  // snippet parts
  const RandomKey key{.seed = 7, .stream = kNoiseStream, .step = 120};
  const Tensor whole = randn({64, 28, 28, 1}, key);
  Tensor second_half({32, 28, 28, 1});
  fill_normal(second_half, key, 1, 32 * 28 * 28);  // from this element of the sequence on
  // end
  CHECK(test::difference(second_half, whole.slice(32, 64)) == 0);
}

TEST_CASE("docs: a step is captured and launched", "[docs]") {
  const Device device = default_device();
  Variable w(test::randn({3, 4}, DType::f32), true);
  w.bind_grad(Tensor::zeros({3, 4}));
  Tensor x = Tensor::zeros({8, 4});
  const Tensor y = Tensor::zeros({8, 3}), batch = test::randn({8, 4}, DType::f32);
  // snippet graph
  Tensor loss;
  const auto step = [&] {
    w.zero_grad();
    const Variable error = mse_loss(linear(Variable(x), w), y);
    error.backward();
    loss = error.value();
  };
  const MemoryTrace trace = dry_run(device, step);  // trace.peak() bytes would be needed
  Graph graph = Graph::capture(device, plan_memory(trace), step);
  x.copy_from(batch);  // inputs change in place
  graph.launch();      // now loss and w.grad() are those of this batch
  // end
  CHECK(trace.peak() > 0);
  const double graphed = loss.item();
  const std::vector<double> gradient = w.grad().to_vector<double>();
  step();
  CHECK(loss.item() == graphed);
  CHECK(w.grad().to_vector<double>() == gradient);
}
