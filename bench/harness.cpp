#include "bench/harness.h"

#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "kernels/backend.h"

namespace imago::bench {
namespace {

using Json = nlohmann::json;

clockid_t clock_id = CLOCK_MONOTONIC;

double now() {
  timespec t;
  clock_gettime(clock_id, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

Options parse(int argc, char** argv, const std::string& title) {
  Options o;
  CLI::App app(title);
  app.add_option("--device", o.device, "cpu, cuda, or simt, which tries things out with tiny shapes")
      ->capture_default_str();
  app.add_option("--threads", o.threads, "threads to use; 0 for all")->capture_default_str();
  app.add_option("--rounds", o.rounds, "samples per case")->capture_default_str();
  app.add_option("--sample", o.sample, "seconds per sample")->capture_default_str();
  app.add_option("--filter", o.filter, "only cases whose name contains this");
  app.add_option("--json", o.json, "write the results to this file");
  app.add_flag("--cpu-time", o.cpu_time, "measure processor time: for one thread on a busy machine");
  app.add_flag("--serve", o.serve, "take orders from standard input: 'case repetitions', answered by seconds per call");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return o;
}

// Prints what is wrong; true if nothing is.
bool check(const std::vector<Case>& cases) {
  bool good = true;
  for (const Case& c : cases) {
    const double error = c.error ? c.error() : 0;
    if (error <= c.tolerance) continue;
    good = false;
    std::fprintf(stderr, "%s: result is off by %.2e, at most %.0e is allowed\n", c.name.c_str(), error, c.tolerance);
  }
  return good;
}

void serve(const std::vector<Case>& cases) {
  Json list = Json::array();
  for (const Case& c : cases) {
    Json entry = Json::parse(c.parameters.empty() ? "{}" : c.parameters);
    entry["name"] = c.name;
    entry["gflop"] = c.gflop;
    entry["items"] = c.items;
    list.push_back(entry);
  }
  std::cout << list.dump() << std::endl;
  size_t index = 0;
  for (int repetitions = 0; std::cin >> index >> repetitions && index < cases.size();)
    std::cout << seconds_per_call(cases[index].run, repetitions) << std::endl;
}

void report(const std::vector<Case>& cases, const std::vector<Timing>& timings) {
  std::printf("| case | median ms | best ms | GFLOP/s | items/s |\n|---|---:|---:|---:|---:|\n");
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& [median, minimum] = timings[i];
    std::printf("| %s | %.3f | %.3f | %.1f | %s |\n", cases[i].name.c_str(), 1e3 * median, 1e3 * minimum,
                cases[i].gflop / median,
                cases[i].items > 0 ? std::to_string(static_cast<int64_t>(cases[i].items / median)).c_str() : "");
  }
}

void write_json(const std::string& file, const std::string& title, const std::vector<Case>& cases,
                const std::vector<Timing>& timings) {
  Json results = Json::array();
  for (size_t i = 0; i < cases.size(); ++i)
    results.push_back({{"name", cases[i].name}, {"median", timings[i].median}, {"minimum", timings[i].minimum},
                       {"gflops", cases[i].gflop / timings[i].median}});
  std::ofstream(file) << Json{{"title", title}, {"backend", kernels::cpu_backend().name}, {"threads", thread_count()},
                              {"results", results}}
                             .dump(1)
                      << '\n';
}

}  // namespace

void measure_cpu_time(bool cpu_time) { clock_id = cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC; }

double seconds_per_call(const std::function<void()>& f, int repetitions) {
  const double start = now();
  for (int i = 0; i < repetitions; ++i) f();
  synchronize(default_device());
  return (now() - start) / repetitions;
}

int repetitions_for(const std::function<void()>& f, double seconds) {
  f();  // warm up
  synchronize(default_device());
  return std::max(1, static_cast<int>(seconds / std::max(1e-7, seconds_per_call(f, 1))));
}

std::vector<Timing> measure(const std::vector<Case>& cases, int rounds, double sample) {
  std::vector<int> repetitions;
  for (const Case& c : cases) repetitions.push_back(repetitions_for(c.run, sample));
  std::vector<std::vector<double>> samples(cases.size());
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < cases.size(); ++i)
      samples[i].push_back(seconds_per_call(cases[i].run, repetitions[i]));
  std::vector<Timing> timings;
  for (std::vector<double>& s : samples) {
    std::sort(s.begin(), s.end());
    timings.push_back({s[s.size() / 2], s.front()});
  }
  return timings;
}

int bench_main(int argc, char** argv, const std::string& title,
               const std::function<std::vector<Case>(const Options&)>& make_cases) {
  const Options options = parse(argc, argv, title);
  if (options.threads > 0) set_thread_count(options.threads);
  try {
    set_default_device(device_named(options.device));
  } catch (const imago::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
  measure_cpu_time(options.cpu_time);
  std::vector<Case> cases = make_cases(options);
  std::erase_if(cases, [&](const Case& c) { return c.name.find(options.filter) == std::string::npos; });
  if (!check(cases)) return 1;
  if (options.serve) {
    serve(cases);
    return 0;
  }
  const std::vector<Timing> timings = measure(cases, options.rounds, options.sample);
  std::printf("%s: %s, %d threads\n\n", title.c_str(), kernels::backend_for(default_device()).name, thread_count());
  report(cases, timings);
  if (!options.json.empty()) write_json(options.json, title, cases, timings);
  return 0;
}

}  // namespace imago::bench
