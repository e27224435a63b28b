// Traces of a step's memory, and the places that a plan finds for them.
#include "core/memory_plan.h"

#include "core/op_label.h"
#include "core/recording.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

// Blocks of very different sizes that come and go at random; about a tenth of them stay.
MemoryTrace random_trace(int64_t blocks, uint32_t number) {
  const RandomKey key{.seed = 5, .stream = 1, .step = number};
  MemoryTrace trace;
  std::vector<size_t> alive;
  int64_t time = 0;
  uint64_t draw = 0;
  while (static_cast<int64_t>(trace.blocks.size()) < blocks) {
    const auto pick = [&](int64_t n) { return integer_at(key, draw++, n); };
    if (alive.empty() || pick(100) < 52) {
      const auto bytes = static_cast<size_t>(pick(1000) + 1) << pick(12);
      if (pick(10) > 0) alive.push_back(trace.blocks.size());
      trace.blocks.push_back({.bytes = bytes, .op = nullptr, .born = time++, .died = MemoryTrace::kNever});
    } else {
      const auto i = static_cast<size_t>(pick(static_cast<int64_t>(alive.size())));
      trace.blocks[alive[i]].died = time++;
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return trace;
}

// A forward pass keeps a block per layer, the backward pass drops them the other way round, with two more at a time.
MemoryTrace training_step(int64_t layers) {
  MemoryTrace trace;
  int64_t time = 0;
  for (int64_t i = 0; i < layers; ++i)
    trace.blocks.push_back({.bytes = static_cast<size_t>(100000 / (1 + i % 7)), .op = nullptr, .born = time++});
  const auto n = static_cast<size_t>(layers);
  for (size_t i = n; i-- > 0;) {
    const size_t bytes = trace.blocks[i].bytes;
    trace.blocks.push_back({.bytes = bytes, .op = nullptr, .born = time, .died = time + 4});
    trace.blocks.push_back({.bytes = bytes / 3, .op = nullptr, .born = time + 1, .died = time + 3});
    trace.blocks[i].died = time + 2;
    time += 5;
  }
  return trace;
}

bool meet(const MemoryTrace::Block& a, const MemoryTrace::Block& b) { return a.born < b.died && b.born < a.died; }

// How many pairs of blocks are there at the same time and share memory; blocks that stick out count too.
int conflicts(const MemoryTrace& trace, const MemoryPlan& plan) {
  int found = 0;
  for (size_t i = 0; i < trace.blocks.size(); ++i) {
    const auto [bytes, offset, op] = plan.slots[i];
    found += bytes != trace.blocks[i].bytes || offset % 256 != 0 || offset + bytes > plan.bytes;
    for (size_t j = 0; j < i; ++j) {
      const auto& other = plan.slots[j];
      const bool overlap = offset < other.offset + other.bytes && other.offset < offset + bytes;
      found += overlap && meet(trace.blocks[i], trace.blocks[j]);
    }
  }
  return found;
}

Variable small_net(const Tensor& x, const Variable& kernel, const Variable& matrix) {
  const Variable y = silu(conv2d(Variable(x), kernel, {.padding = Padding{1, 1, 1, 1}}));
  return mean(linear(reshape(y, {-1, kernel.dim(0)}), matrix));
}

bool all_zero(const Tensor& t) {
  const std::vector<float> values = t.to_vector<float>();
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

}  // namespace

TEST_CASE("blocks that are there at the same time never overlap, and little is wasted", "[memory_plan]") {
  double worst = 1;
  for (uint32_t number = 0; number < 30; ++number) {
    const MemoryTrace trace = random_trace(20 + 20 * number, number);
    const MemoryPlan plan = plan_memory(trace);
    REQUIRE(plan.slots.size() == trace.blocks.size());
    REQUIRE(conflicts(trace, plan) == 0);
    REQUIRE(plan.bytes >= plan.lower_bound);
    worst = std::max(worst, static_cast<double>(plan.bytes) / static_cast<double>(plan.lower_bound));
  }
  CAPTURE(worst);
  CHECK(worst < 1.15);
}

TEST_CASE("a plan that shares too much would be noticed", "[memory_plan]") {
  const MemoryTrace trace = random_trace(50, 99);
  MemoryPlan plan = plan_memory(trace);
  for (MemoryPlan::Slot& slot : plan.slots) slot.offset = 0;
  CHECK(conflicts(trace, plan) > 0);
}

TEST_CASE("the memory of a training step is planned within a few percent of the bound", "[memory_plan]") {
  for (const int64_t layers : {1, 2, 10, 100, 300}) {
    const MemoryTrace trace = training_step(layers);
    const MemoryPlan plan = plan_memory(trace);
    CAPTURE(layers, plan.bytes, plan.lower_bound);
    CHECK(conflicts(trace, plan) == 0);
    CHECK(static_cast<double>(plan.bytes) <= 1.05 * static_cast<double>(plan.lower_bound));
  }
  CHECK(plan_memory({}).bytes == 0);
}

TEST_CASE("a trace tells sizes, operations, births and deaths", "[memory_plan]") {
  const Device device = default_device();
  Tensor kept;
  const auto work = [&] {
    const OpLabel label("first");
    kept = Tensor({1000});
    { const Tensor dropped({500}, DType::f64); }
    const OpLabel inner("second");
    Tensor also({10}, DType::u8);
  };
  const bool dry = GENERATE(false, true);
  const size_t before = memory_stats(device).in_use;
  const MemoryTrace trace = dry ? dry_run(device, work) : trace_memory(device, work);
  kept = {};  // after the end: the trace does not see it
  CHECK(memory_stats(device).in_use == before);
  REQUIRE(trace.blocks.size() == 3);
  const MemoryTrace::Block &a = trace.blocks[0], &b = trace.blocks[1], &c = trace.blocks[2];
  CHECK(a.bytes == 4000);
  CHECK(a.born == 0);
  CHECK(a.died == MemoryTrace::kNever);
  CHECK(b.bytes == 4000);
  CHECK(b.born == 1);
  CHECK(b.died == 2);
  CHECK(c.bytes == 10);
  CHECK(c.born == 3);
  CHECK(c.died == 4);
  CHECK(std::string(a.op) == "first");
  CHECK(std::string(c.op) == "second");
  CHECK(trace.peak() == 2 * allocation_size(4000, device));
  const auto ops = trace.at_peak();
  REQUIRE(ops.size() == 1);
  CHECK(ops[0].op == "first");
  CHECK(ops[0].blocks == 2);
}

TEST_CASE("a dry run goes through the motions of the step that runs", "[memory_plan]") {
  const Device device = default_device();
  const Tensor x = randn({2, 6, 6, 3}, DType::f32, 1);
  Variable kernel(randn({8, 3, 3, 3}, DType::f32, 2), true), matrix(randn({4, 8}, DType::f32, 3), true);
  for (Variable* v : {&kernel, &matrix}) v->bind_grad(Tensor::zeros_like(v->value()));
  const auto step = [&] { small_net(x, kernel, matrix).backward(); };

  reset_peak_memory(device);
  const MemoryStats before = memory_stats(device);
  const MemoryTrace dry = dry_run(device, step);
  CHECK(memory_stats(device).peak == before.peak);
  CHECK(all_zero(kernel.grad()));

  const MemoryTrace real = trace_memory(device, step);
  REQUIRE(dry.blocks.size() == real.blocks.size());
  for (size_t i = 0; i < dry.blocks.size(); ++i) {
    CAPTURE(i, dry.blocks[i].op);
    CHECK(dry.blocks[i].bytes == real.blocks[i].bytes);
    CHECK(dry.blocks[i].born == real.blocks[i].born);
    CHECK(dry.blocks[i].died == real.blocks[i].died);
    CHECK(dry.blocks[i].op == real.blocks[i].op);
  }
  CHECK_FALSE(all_zero(kernel.grad()));

  reset_peak_memory(device);
  const size_t base = memory_stats(device).in_use;
  step();
  const size_t peak = memory_stats(device).peak - base;
  if (device == Device::cpu) CHECK(peak >= dry.peak());  // the kernels' own scratch comes on top
  else CHECK(peak == dry.peak());
  const auto ops = dry.at_peak();
  CHECK(std::any_of(ops.begin(), ops.end(), [](const OpMemory& op) { return op.op == "conv2d"; }));
}

TEST_CASE("the largest batch that fits is found without any memory", "[memory_plan]") {
  const Device device = default_device();
  const auto step = [](int64_t batch) { const Tensor x({batch, 1024}); };  // 4 KiB an image
  const auto need = [&](int64_t batch) { return allocation_size(static_cast<size_t>(batch) * 4096, device); };
  for (const int64_t batch : {1, 2, 3, 7, 64, 1000, 12345}) {
    CHECK(largest_batch(device, need(batch), step) >= batch);
    CHECK(need(largest_batch(device, need(batch), step) + 1) > need(batch));
    CHECK(largest_batch(device, need(batch), step, batch) == batch);
    CHECK(largest_batch(device, need(batch), step, batch - 1) == batch - 1);
  }
  CHECK(largest_batch(device, need(1) - 1, step) == 0);
  CHECK(largest_batch(device, size_t{1} << 50, step) == int64_t{1} << 20);
}

TEST_CASE("traces do not nest", "[memory_plan][errors]") {
  const Device device = default_device();
  CHECK_THROWS_WITH(trace_memory(device, [&] { trace_memory(device, [] {}); }),
                    concat("trace_memory: this thread's memory on ", device, " is being watched already"));
}
