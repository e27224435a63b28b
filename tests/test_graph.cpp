// Capturing, launching, and what must not happen meanwhile.
#include "core/graph.h"

#include <thread>

#include "core/device_memory.h"
#include "core/pinned_buffer.h"
#include "core/recording.h"
#include "kernels/conv2d.h"
#include "kernels/sgd.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

// A small network with an update, all of it one step: conv2d, group_norm, attention, linear, a loss, and SGD.
struct Net {
  Variable kernel{randn({8, 3, 3, 3}, DType::f32, 1), true};
  Variable scale{Tensor::full({8}, 1), true}, shift{Tensor::zeros({8}), true};
  Variable matrix{randn({5, 8}, DType::f32, 2), true};
  Tensor x = randn({2, 7, 5, 3}, DType::f32, 3), target = randn({2, 35, 5}, DType::f32, 4);
  Tensor momentum = Tensor::zeros({8, 3, 3, 3});

  Net() {
    for (Variable* v : {&kernel, &scale, &shift, &matrix}) v->bind_grad(Tensor::zeros_like(v->value()));
  }

  Tensor step() {
    for (Variable* v : {&kernel, &scale, &shift, &matrix}) v->zero_grad();
    const Variable y = conv2d(Variable(x), kernel, {.padding = Padding{1, 1, 1, 1}});
    const Variable h =
        reshape(group_norm(y, scale, shift, {.groups = 2, .activation = Activation::silu}), {2, 35, 8});
    const Variable loss = mse_loss(linear(h + attention(h, h, h, 2), matrix), target);
    loss.backward();
    Tensor w = kernel.value();
    kernels::sgd(w, kernel.grad(), momentum, {.lr = 0.1, .momentum = 0.9});
    return loss.value();
  }

  std::vector<double> state() const {
    std::vector<double> all;
    for (const Tensor& t : {kernel.value(), momentum, kernel.grad(), scale.grad(), shift.grad(), matrix.grad()})
      for (const double v : t.to_vector<double>()) all.push_back(v);
    return all;
  }
};

Tensor ones() { return Tensor::full({100}, 1); }
std::vector<float> values(const Tensor& t) { return t.to_vector<float>(); }
std::vector<float> hundred(float value) { return std::vector<float>(100, value); }

}  // namespace

TEST_CASE("a captured step has the bits of an eager one", "[graph]") {
  Net eager, graphed;
  const Device device = default_device();
  const bool planned = GENERATE(false, true);
  CAPTURE(planned);
  const auto before = graphed.state();
  Tensor loss;
  const auto work = [&] { loss = graphed.step(); };
  Graph graph;
  if (planned) {
    Net other;
    graph = Graph::capture(device, plan_memory(dry_run(device, [&] { other.step(); })), work);
  } else {
    graph = Graph::capture(device, work);
  }
  CHECK(graphed.state() == before);  // nothing was done
  CHECK(graph.size() > 10);
  CHECK(graph.launches() == 0);
  std::vector<double> losses;
  for (int round = 0; round < 3; ++round) {
    if (round == 2) {  // inputs change in place
      for (Net* net : {&eager, &graphed}) {
        net->x.copy_from(randn({2, 7, 5, 3}, DType::f32, 11));
        net->target.fill(0.5);
      }
    }
    const double expected = eager.step().item();
    graph.launch();
    CHECK(loss.item() == expected);
    CHECK(graphed.state() == eager.state());
    losses.push_back(expected);
  }
  CHECK(graph.launches() == 3);
  CHECK(losses[0] != losses[1]);
  CHECK(losses[1] != losses[2]);
}

TEST_CASE("launching allocates nothing", "[graph]") {
  const Device device = default_device();
  Net net;
  const Graph none;
  Graph graph = Graph::capture(device, [&] { net.step(); });
  graph.launch();  // on the CPU, what kernels need for themselves is cached now
  reset_peak_memory(device);
  const MemoryStats before = memory_stats(device);
  for (int round = 0; round < 3; ++round) graph.launch();
  synchronize(device);
  const MemoryStats after = memory_stats(device);
  CHECK(after.in_use == before.in_use);
  CHECK(after.cached == before.cached);
  if (device != Device::cpu) CHECK(after.peak == before.peak);
}

TEST_CASE("a graph keeps its memory and gives it back", "[graph]") {
  const Device device = default_device();
  const size_t before = memory_stats(device).in_use;
  const bool planned = GENERATE(false, true);
  Tensor kept;
  {
    const auto work = [&] {
      const Tensor a = ones();
      kept = a.clone();
      Tensor(a).fill(7);  // `kept` has its own memory
    };
    MemoryPlan plan = planned ? plan_memory(dry_run(device, work)) : MemoryPlan();
    kept = {};
    Graph graph = planned ? Graph::capture(device, plan, work) : Graph::capture(device, work);
    CHECK(memory_stats(device).in_use > before);
    graph.launch();
    synchronize(device);
    const Tensor unrelated = ones();  // must not be handed the graph's memory
    Graph moved = std::move(graph);
    CHECK_FALSE(graph.captured());
    moved.launch();
    CHECK(values(unrelated) == hundred(1));
  }
  CHECK(values(kept) == hundred(1));  // it outlives its graph
  CHECK(memory_stats(device).in_use > before);
  kept = {};
  CHECK(memory_stats(device).in_use == before);
}

TEST_CASE("fills, conversions and copies are part of a graph", "[graph]") {
  const Device device = default_device();
  Tensor x = ones(), sum = Tensor::zeros({100}, DType::f64), back = Tensor::zeros({100});
  PinnedBuffer seen(x.bytes(), device);
  Graph graph = Graph::capture(device, [&] {
    const Tensor wide = x.to(DType::f64).clone();
    sum.copy_from(wide);
    back.copy_from(wide);
    seen.copy_from(back);
    x.fill(3);
  });
  CHECK(values(x) == hundred(1));
  CHECK(values(sum) == hundred(0));
  graph.launch();
  CHECK(values(x) == hundred(3));
  CHECK(values(sum) == hundred(1));
  graph.launch();
  CHECK(values(sum) == hundred(3));
  CHECK(values(back) == hundred(3));
  synchronize(device);
  CHECK(seen.span<float>()[99] == 3);
}

TEST_CASE("the host cannot look while work is recorded", "[graph][errors]") {
  const Device device = default_device();
  Tensor x = ones();
  const Tensor number = Tensor::full({}, 2);
  Event event(device);
  const std::string why =
      concat(": the host cannot reach memory of ", device,
             " while its work is recorded, for nothing is computed yet; do this before the capture or after a launch");
  struct Look { const char* op; std::function<void()> work; };
  const Look looks[] = {
      {"Tensor::data", [&] { x.data<float>(); }},
      {"Tensor::data", [&] { (void)x.span<float>(); }},
      {"Tensor::item", [&] { number.item(); }},
      {"Tensor::to_vector", [&] { x.to_vector<float>(); }},
      {"Tensor::from", [&] { Tensor::from<float>({1, 2}, {2}); }},
      {"fill_normal", [&] { fill_normal(x, {}); }},
      {"synchronize", [&] { synchronize(device); }},
  };
  for (const auto& [op, work] : looks) {
    CHECK_THROWS_WITH(Graph::capture(device, work), op + why);
    CHECK_THROWS_WITH(dry_run(device, work), op + why);
    CHECK(recording(device) == Recording::none);
  }
  if (device != Device::cpu) {
    CHECK_THROWS_WITH(Graph::capture(device, [&] { x.to(Device::cpu); }), "Tensor::to" + why);
    const Tensor here = Tensor::zeros({100}, DType::f32, Device::cpu);
    CHECK_THROWS_WITH(Graph::capture(device, [&] { x.copy_from(here); }), "Tensor::copy_from" + why);
  }
  CHECK_THROWS_WITH(Graph::capture(device, [&] { event.record(); }),
                    "Event::record: no event happens while work is recorded");
  CHECK_THROWS_WITH(Graph::capture(device, [&] { wait_for(event); }),
                    "wait_for: nothing waits while work is recorded");
  CHECK(values(x) == hundred(1));  // the capture is over: work is done again
}

TEST_CASE("captures and launches do not nest", "[graph][errors]") {
  const Device device = default_device();
  Tensor x = ones();
  Graph inner = Graph::capture(device, [&] { x.fill(2); });
  CHECK_THROWS_WITH(Graph::capture(device, [&] { inner.launch(); }),
                    "Graph::launch: a graph cannot be part of another one");
  CHECK_THROWS_WITH(Graph::capture(device, [&] { Graph::capture(device, [] {}); }),
                    concat("capture: this thread's work on ", device, " is being recorded already"));
  CHECK_THROWS_WITH(Graph().launch(), "Graph::launch: nothing was captured");
  CHECK(values(x) == hundred(1));
  inner.launch();
  CHECK(values(x) == hundred(2));
}

TEST_CASE("a step that is not the planned one is refused", "[graph][errors]") {
  const Device device = default_device();
  const auto two_of = [](int64_t a, int64_t b) {
    { const Tensor first({a}); }
    const Tensor second({b});
  };
  const MemoryPlan plan = plan_memory(dry_run(device, [&] { two_of(100, 100); }));
  CHECK_NOTHROW(Graph::capture(device, plan, [&] { two_of(100, 100); }));
  CHECK_THROWS_WITH(Graph::capture(device, plan, [&] { two_of(100, 101); }),
                    "Graph::capture: allocation 1 of the traced step, by other, had 400 bytes, now it has 404");
  CHECK_THROWS_WITH(Graph::capture(device, plan, [&] { two_of(100, 100), two_of(100, 100); }),
                    "Graph::capture: the traced step made 2 allocations, now there is one more, of 400 bytes");
  CHECK_THROWS_WITH(Graph::capture(device, plan,
                                   [] {
                                     const Tensor first({100});
                                     const Tensor second({100});
                                   }),
                    "Graph::capture: allocation 1, by other, takes the place of one that the traced step had released "
                    "by then");
  const Device other = device == Device::cpu ? Device::cuda : Device::cpu;
  CHECK_THROWS_WITH(Graph::capture(other, plan, [] {}),
                    concat("Graph::capture: the plan must be for ", other, ", got one for ", device));
}

TEST_CASE("other threads work while one captures", "[graph]") {
  const Device device = default_device();
  Tensor mine = ones(), theirs = ones();
  Graph graph = Graph::capture(device, [&] {
    mine.fill(5);
    std::thread([&] {
      theirs.fill(6);
      CHECK(values(theirs) == hundred(6));
    }).join();
  });
  CHECK(graph.size() == 1);
  CHECK(values(mine) == hundred(1));
  graph.launch();
  CHECK(values(mine) == hundred(5));
}
