// Every convolution, matrix product, norm and attention of a network's training step alone: checked
// against f64, timed with cold caches, and beside the fastest that cuDNN or cuBLAS has for it,
// where they can be opened. What weighs most comes first. With --json-lines each result is a line
// of its own, so that a run that is cut off leaves what it has.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/layers.h"
#include "bench/timeline.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "kernels/precision.h"

using namespace imago;
using bench::Precision;
using Json = nlohmann::json;

namespace {

struct Flags {
  std::string device = "auto", workload = "butterflies", precision, filter;
  int64_t batch = 0;
  int samples = 15, threads = 0;
  bool json_lines = false;
};

int parse(int argc, char** argv, Flags& f) {
  CLI::App app("the layers of a network, one by one");
  app.add_option("--device", f.device, "cpu, cuda or simt")->capture_default_str();
  app.add_option("--workload", f.workload, "butterflies, mnist or tiny")->capture_default_str();
  app.add_option("--precision", f.precision, "f32, tf32 or bf16; by itself bf16, on the CPU f32");
  app.add_option("--batch", f.batch, "images; 0 for the workload's own")->capture_default_str();
  app.add_option("--samples", f.samples, "calls to take the median of; 0 only lists the layers")
      ->capture_default_str();
  app.add_option("--threads", f.threads, "threads to use; 0 for all")->capture_default_str();
  app.add_option("--filter", f.filter, "only layers whose name contains this");
  app.add_flag("--json-lines", f.json_lines, "one JSON object a line instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  return -1;
}

// ||result - reference|| / ||reference|| that rounding explains, over sums of up to a hundred
// thousand products.
double tolerance(Precision p) {
  return p == Precision::f32 ? 1e-5 : p == Precision::tf32 ? 2e-3 : 1e-2;
}

struct Measured {
  double error = 0, median = 0, minimum = 0;
  bool deterministic = true;
  size_t candidates = 0;  // those whose result was right
};

Measured measure(bench::ColdTimer& timer, const bench::Runner& runner, int samples) {
  const std::vector<double> seconds = timer.seconds(runner.run, samples);
  return {.median = bench::median(seconds),
          .minimum = *std::min_element(seconds.begin(), seconds.end()),
          .deterministic = runner.deterministic};
}

// The fastest of the rivals whose result is right; candidates is 0 if none is.
Measured best_of(const std::vector<bench::Runner>& rivals, const bench::LoadedLayer& layer,
                 bench::ColdTimer& timer, double tolerance, int samples, std::string& why) {
  constexpr int kFirstLook = 3;
  const bench::Runner* best = nullptr;
  double shortest = 0;
  Measured result;
  for (const bench::Runner& rival : rivals) {
    try {
      const double error = layer.error(rival);
      if (!(error <= tolerance)) {
        why = concat("result off by ", error);
        continue;
      }
      const double seconds = bench::median(timer.seconds(rival.run, kFirstLook));
      ++result.candidates;
      if (best && seconds >= shortest) continue;
      best = &rival, shortest = seconds, result.error = error;
    } catch (const Error& e) {
      why = e.what();
    }
  }
  if (!best) return result;
  const Measured again = measure(timer, *best, samples);
  result.median = again.median, result.minimum = again.minimum,
  result.deterministic = again.deterministic;
  return result;
}

Json to_json(const Measured& m) {
  return {{"error", m.error},
          {"seconds", m.median},
          {"minimum", m.minimum},
          {"deterministic", m.deterministic}};
}

Json description(const bench::Layer& layer, const bench::Work& work) {
  return {{"launcher", layer.launcher}, {"direction", layer.direction}, {"shape", work.shape},
          {"launches", layer.launches}, {"flops", work.flops},          {"bytes", work.bytes}};
}

Json measure_layer(const bench::Layer& layer, Precision precision,
                   const bench::Yardsticks& yardsticks, bench::ColdTimer& timer, int samples) {
  const auto loaded = bench::load(layer, bench::dtype_of(precision));
  const bench::Work work = loaded->work();
  const double allowed = tolerance(precision);
  Json j = description(layer, work);
  const bench::Runner ours = loaded->ours();
  const double error = loaded->error(ours);
  if (error <= allowed) {
    Measured m = measure(timer, ours, samples);
    m.error = error;
    j["imago"] = to_json(m);
  } else {
    j["wrong"] = concat("result off by ", error, ", at most ", allowed, " is allowed");
  }
  std::string why;
  const std::vector<bench::Runner> rivals =
      loaded->rivals(yardsticks, precision == Precision::tf32, why);
  const Measured best = best_of(rivals, *loaded, timer, allowed, samples, why);
  if (best.candidates == 0) {
    j["no_yardstick"] = why;
    return j;
  }
  j["yardstick"] = to_json(best);
  j["yardstick"]["by"] = rivals.front().by;
  j["yardstick"]["candidates"] = best.candidates;
  return j;
}

// As the network was recorded, in f32.
bench::Work work_of(const bench::Layer& layer) {
  return std::visit([](const auto& p) { return bench::work_of(p); }, layer.params);
}

// What the layer weighs in a step, roughly: a byte costs what some two hundred operations do.
double weight(const bench::Layer& layer) {
  const bench::Work work = work_of(layer);
  return static_cast<double>(layer.launches) * std::max(work.flops, 200 * work.bytes);
}

std::string name_of(const Json& j) {
  return concat(j["launcher"].get<std::string>(), " ", j["direction"].get<std::string>(), " ",
                j["shape"].get<std::string>());
}

void print_row(const Json& j) {
  const std::string name = name_of(j);
  if (!j.contains("imago") && !j.contains("wrong")) {
    std::printf("| %s | %d | %.3f GFLOP | %.1f MB |\n", name.c_str(), j["launches"].get<int>(),
                1e-9 * j["flops"].get<double>(), 1e-6 * j["bytes"].get<double>());
    return;
  }
  if (j.contains("wrong")) {
    std::printf("| %s | %s |\n", name.c_str(), j["wrong"].get<std::string>().c_str());
    return;
  }
  const double seconds = j["imago"]["seconds"];
  std::printf("| %s | %d | %.3f | %.2f | %.1f |", name.c_str(), j["launches"].get<int>(),
              1e3 * seconds, 1e-12 * j["flops"].get<double>() / seconds,
              1e-9 * j["bytes"].get<double>() / seconds);
  if (j.contains("yardstick"))
    std::printf(" %.2f %s |\n", seconds / j["yardstick"]["seconds"].get<double>(),
                j["yardstick"]["by"].get<std::string>().c_str());
  else
    std::printf(" |\n");
}

int run(const Flags& f) {
  set_default_device(device_named(f.device));
  if (f.threads > 0) set_thread_count(f.threads);
  const Device device = default_device();
  const Precision precision = !f.precision.empty()    ? bench::precision_named(f.precision)
                              : device == Device::cpu ? Precision::f32
                                                      : Precision::bf16;
  using kernels::MatmulPrecision;
  kernels::set_matmul_precision(precision == Precision::tf32 ? MatmulPrecision::tf32
                                                             : MatmulPrecision::f32);

  std::vector<bench::Layer> layers = bench::layers_of(bench::workload_named(f.workload, f.batch));
  std::stable_sort(layers.begin(), layers.end(),
                   [](const auto& a, const auto& b) { return weight(a) > weight(b); });
  const bench::Yardsticks yardsticks = bench::open_yardsticks(device);
  const Json header{{"workload", f.workload},
                    {"device", imago::name_of(device)},
                    {"precision", bench::name_of(precision)},
                    {"layers", layers.size()},
                    {"absent", yardsticks.absent},
                    {"cudnn", yardsticks.cudnn ? yardsticks.cudnn->version() : ""},
                    {"cublas", yardsticks.cublas ? yardsticks.cublas->version() : ""}};
  if (f.json_lines) {
    std::cout << header.dump() << std::endl;
  } else {
    for (const std::string& why : yardsticks.absent) std::printf("%s\n", why.c_str());
    std::printf(
        "\n| layer | launches | ms | TFLOP/s | GB/s | time ratio "
        "|\n|---|---:|---:|---:|---:|---:|\n");
  }
  bench::ColdTimer timer(device);
  bool right = true;
  for (const bench::Layer& layer : layers) {
    const Json described = description(layer, work_of(layer));
    if (name_of(described).find(f.filter) == std::string::npos) continue;
    const Json result =
        f.samples ? measure_layer(layer, precision, yardsticks, timer, f.samples) : described;
    right = right && !result.contains("wrong");
    if (f.json_lines)
      std::cout << result.dump() << std::endl;
    else
      print_row(result);
  }
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (const int code = parse(argc, argv, flags); code >= 0) return code;
  try {
    return run(flags);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
