// A whole training step and a whole sampling step, in parts, taking turns with other programs
// (bench/report/step.py, with PyTorch). Says {"event": "first step"} as soon as one step is done,
// then {"event": "ready", ...}; then each line "CASE REPETITIONS" on standard input is answered by
// seconds per call, and "memory" by the peak in bytes. With --probe writes weights, one batch, and
// what comes of it forward and backward, for a twin to be compared with.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/harness.h"
#include "bench/models.h"
#include "core/allocator.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "data/safetensors.h"
#include "nn/state_dict.h"

using namespace imago;
using Json = nlohmann::json;

namespace {

struct Flags {
  std::string device = "auto", workload = "butterflies", precision = "f32", probe;
  int64_t batch = 0;
  int threads = 0;
  bool graph = false;
};

int parse(int argc, char** argv, Flags& f) {
  CLI::App app("a training step and a sampling step");
  app.add_option("--device", f.device, "cpu, cuda or simt")->capture_default_str();
  app.add_option("--workload", f.workload, "butterflies, mnist or tiny")->capture_default_str();
  app.add_option("--precision", f.precision, "f32, tf32 or bf16")->capture_default_str();
  app.add_option("--batch", f.batch, "images; 0 for the workload's own")->capture_default_str();
  app.add_option("--threads", f.threads, "threads to use; 0 for all")->capture_default_str();
  app.add_flag("--graph", f.graph, "launch whole steps as graphs");
  app.add_option("--probe", f.probe,
                 "write weights, a batch and its gradients to this safetensors file, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  return -1;
}

// Weights in PyTorch's layouts under "w.", gradients in ours, where images and filters are channels
// last, under "g.".
void write_probe(bench::TrainingStep& step, const std::string& file) {
  const bench::TrainingStep::Probe probe = step.probe();
  std::vector<std::pair<std::string, Tensor>> tensors = {
      {"x", probe.x},
      {"t", probe.t},
      {"target", probe.target},
      {"y", probe.y},
      {"loss", Tensor::full({1}, probe.loss, DType::f64, Device::cpu)}};
  for (auto& [name, value] : nn::state_dict(step.model())) tensors.emplace_back("w." + name, value);
  for (auto& [name, parameter] : nn::named_parameters(step.model()))
    tensors.emplace_back("g." + name, parameter.grad());
  for (auto& [name, tensor] : tensors) tensor = tensor.to(Device::cpu);
  data::save_safetensors(file, tensors);
}

struct Case {
  std::string name;
  std::function<void()> run;
};

// What a graph does as one, it does not do in parts.
std::vector<Case> make_cases(bench::TrainingStep& step, bool graph) {
  std::vector<Case> cases = {{"sample", [&step] { step.sample(); }}};
  if (!graph) {
    cases.push_back({"forward", [&step] { step.forward(); }});
    cases.push_back({"forward+backward", [&step] {
                       step.zero_gradients();
                       step.forward();
                       step.backward();
                     }});
  }
  if (step.has_whole_step()) cases.push_back({"step", [&step] { step.step(); }});
  return cases;
}

void serve(bench::TrainingStep& step, const Flags& f, int64_t batch) {
  const Device device = default_device();
  const std::vector<Case> cases = make_cases(step, f.graph);
  cases.back().run();
  synchronize(device);
  std::cout << Json{{"event", "first step"}}.dump() << std::endl;
  for (int i = 0; i < 3; ++i)  // whatever is needed once, graphs too
    for (const Case& c : cases) c.run();
  synchronize(device);
  reset_peak_memory(device);
  Json names = Json::array();
  for (const Case& c : cases) names.push_back(c.name);
  std::cout
      << Json{{"event", "ready"}, {"cases", names},           {"parameters", step.parameters()},
              {"batch", batch},   {"precision", f.precision}, {"device", name_of(device)}}
             .dump()
      << std::endl;
  for (std::string order; std::cin >> order;) {
    if (order == "memory") {
      std::cout << memory_stats(device).peak << std::endl;
      continue;
    }
    int repetitions = 0;
    std::cin >> repetitions;
    const auto found =
        std::find_if(cases.begin(), cases.end(), [&](const Case& c) { return c.name == order; });
    IMAGO_CHECK(found != cases.end() && repetitions > 0,
                "bench_step: an order must be 'CASE REPETITIONS', got '", order, " ", repetitions,
                "'");
    synchronize(device);
    std::cout << bench::seconds_per_call(found->run, repetitions) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (const int code = parse(argc, argv, flags); code >= 0) return code;
  try {
    set_default_device(device_named(flags.device));
    if (flags.threads > 0) set_thread_count(flags.threads);
    const bench::Workload workload = bench::workload_named(flags.workload, flags.batch);
    bench::TrainingStep step(workload, bench::precision_named(flags.precision), flags.graph);
    if (flags.probe.empty())
      serve(step, flags, workload.batch);
    else
      write_probe(step, flags.probe);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
