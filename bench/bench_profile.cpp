// Where the time of one training step goes: every launch timed by itself, beside the time that its
// arithmetic and its traffic would take at this device's ceilings (bench_ceilings). Prints the
// kinds of launches, the longest first, and with --json writes kinds, shapes and totals.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/launch_observer.h"
#include "bench/models.h"
#include "bench/timeline.h"
#include "core/device_memory.h"
#include "core/parallel.h"

using namespace imago;
using bench::Work;
using Json = nlohmann::json;

namespace {

struct Flags {
  std::string device = "auto", workload = "butterflies", precision = "f32", json;
  int64_t batch = 0;
  int steps = 5, threads = 0;
};

int parse(int argc, char** argv, Flags& f) {
  CLI::App app("where the time of one training step goes");
  app.add_option("--device", f.device, "cpu, cuda or simt")->capture_default_str();
  app.add_option("--workload", f.workload, "butterflies, mnist or tiny")->capture_default_str();
  app.add_option("--precision", f.precision, "f32, tf32 or bf16")->capture_default_str();
  app.add_option("--batch", f.batch, "images; 0 for the workload's own")->capture_default_str();
  app.add_option("--steps", f.steps, "steps to take the medians of")->capture_default_str();
  app.add_option("--threads", f.threads, "threads to use; 0 for all")->capture_default_str();
  app.add_option("--json", f.json, "write the profile to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  return -1;
}

// One launch of the step, in every step that was timed.
struct Timed {
  std::string launcher;
  Work work;
  std::vector<double> seconds;
};

void one_step(bench::TrainingStep& step) {
  if (step.has_whole_step()) return step.step();
  step.zero_gradients();
  step.forward();
  step.backward();
}

// Every step makes the same launches in the same order.
std::vector<Timed> timed_launches(Device device, bench::TrainingStep& step, int steps) {
  bench::Timeline timeline(device);
  std::vector<Timed> launches;
  for (int i = 0; i < steps; ++i) {
    size_t at = 0;
    timeline.clear();
    {
      const bench::LaunchObserver observer(
          device, [&](const bench::Launch& launch, const std::function<void()>& run) {
            if (i == 0) launches.push_back({launch.launcher, launch.work(), {}});
            IMAGO_CHECK(at < launches.size() && launches[at].launcher == launch.launcher,
                        "profile: step ", i, " differs from the first at launch ", at, ", a ",
                        launch.launcher);
            timeline.mark();
            run();
            timeline.mark();
            ++at;
          });
      one_step(step);
    }
    synchronize(device);
    for (size_t k = 0; k < launches.size(); ++k)
      launches[k].seconds.push_back(timeline.seconds(2 * k, 2 * k + 1));
  }
  return launches;
}

struct Sum {
  int64_t launches = 0;
  double seconds = 0, flops = 0, bytes = 0;
  DType dtype = DType::f32;
};

void add(Sum& sum, const Timed& t) {
  ++sum.launches;
  sum.seconds += bench::median(t.seconds);
  sum.flops += t.work.flops;
  sum.bytes += t.work.bytes;
  sum.dtype = t.work.dtype;
}

Json to_json(const Sum& s) {
  return {{"launches", s.launches},
          {"seconds", s.seconds},
          {"flops", s.flops},
          {"bytes", s.bytes},
          {"dtype", name_of(s.dtype)}};
}

// With `key` naming what belongs together; the longest first.
template <typename Key>
std::vector<std::pair<std::string, Sum>> sums(const std::vector<Timed>& launches, Key key) {
  std::map<std::string, Sum> by_key;
  for (const Timed& t : launches) add(by_key[key(t)], t);
  std::vector<std::pair<std::string, Sum>> sorted(by_key.begin(), by_key.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  return sorted;
}

double seconds_of_step(Device device, bench::TrainingStep& step, int steps) {
  bench::Timeline timeline(device);
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
    synchronize(device);
    timeline.clear();
    timeline.mark();
    one_step(step);
    synchronize(device);
    timeline.mark();
    seconds.push_back(timeline.seconds(0, 1));
  }
  return bench::median(seconds);
}

void run(const Flags& f) {
  set_default_device(device_named(f.device));
  if (f.threads > 0) set_thread_count(f.threads);
  const Device device = default_device();
  const bench::Workload workload = bench::workload_named(f.workload, f.batch);
  bench::TrainingStep step(workload, bench::precision_named(f.precision));
  one_step(step);  // allocations, first launches
  const double whole = seconds_of_step(device, step, f.steps);
  const std::vector<Timed> launches = timed_launches(device, step, f.steps);
  const auto kinds = sums(launches, [](const Timed& t) { return t.launcher; });
  const auto shapes =
      sums(launches, [](const Timed& t) { return t.launcher + " " + t.work.shape; });

  double inside = 0;
  for (const auto& [name, sum] : kinds) inside += sum.seconds;
  std::printf("%s, %s, batch %lld, %s: %zu launches, %.3f ms inside them, %.3f ms a step\n\n",
              f.workload.c_str(), name_of(device), static_cast<long long>(workload.batch),
              f.precision.c_str(), launches.size(), 1e3 * inside, 1e3 * whole);
  std::printf(
      "| launcher | launches | ms | of all | GFLOP/s | GB/s |\n|---|---:|---:|---:|---:|---:|\n");
  Json kinds_json = Json::array(), shapes_json = Json::array();
  for (const auto& [name, s] : kinds) {
    std::printf("| %s | %lld | %.3f | %.1f%% | %.1f | %.1f |\n", name.c_str(),
                static_cast<long long>(s.launches), 1e3 * s.seconds, 100 * s.seconds / inside,
                1e-9 * s.flops / s.seconds, 1e-9 * s.bytes / s.seconds);
    kinds_json.push_back(to_json(s)), kinds_json.back()["name"] = name;
  }
  for (const auto& [name, s] : shapes)
    shapes_json.push_back(to_json(s)), shapes_json.back()["name"] = name;
  if (f.json.empty()) return;
  const Json profile{{"workload", f.workload},
                     {"device", name_of(device)},
                     {"batch", workload.batch},
                     {"precision", f.precision},
                     {"threads", thread_count()},
                     {"launches", launches.size()},
                     {"seconds_in_launches", inside},
                     {"seconds_of_step", whole},
                     {"optimizer", step.has_whole_step()},
                     {"kinds", kinds_json},
                     {"shapes", shapes_json}};
  std::ofstream(f.json) << profile.dump(1) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (const int code = parse(argc, argv, flags); code >= 0) return code;
  try {
    run(flags);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
