// What the benchmarks share: cases that are checked before they are timed, timed round-robin so that a slow moment of
// the machine hits all of them alike, and written as Markdown and JSON. With --serve a program takes its orders from
// its standard input, so that a driver (compare_torch.py) can alternate it with other programs.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace imago::bench {

struct Options {
  std::string device = "cpu";
  int threads = 0;      // 0: as many as the process may use
  int rounds = 9;       // samples per case
  double sample = 0.02;  // seconds per sample, at least
  std::string filter;   // only cases whose name contains this
  std::string json;     // file to write the results to
  bool cpu_time = false;
  bool serve = false;
};

// One thing to time.
struct Case {
  std::string name;
  std::string parameters;       // a JSON object: what a driver needs to build the same case elsewhere
  double gflop = 0;             // floating-point operations of one call, in 10^9
  double items = 0;             // things that one call processes, say images; 0 where that means nothing
  std::function<void()> run;
  std::function<double()> error;  // largest relative gap to a reference; above `tolerance` the case is not timed
  double tolerance = 1e-4;
};

struct Timing {
  double median = 0, minimum = 0;  // seconds per call
};

// Seconds per call of f over `repetitions` calls. With cpu_time, what the processors worked instead of what a clock on
// the wall shows: with one thread the honest figure on a busy machine.
void measure_cpu_time(bool cpu_time);
double seconds_per_call(const std::function<void()>& f, int repetitions);

// As many calls as fill `seconds`.
int repetitions_for(const std::function<void()>& f, double seconds);

// Every case once per round, in turn.
std::vector<Timing> measure(const std::vector<Case>& cases, int rounds, double sample);

// The whole program: reads the command line, makes the cases, checks them, times them or serves, and reports. Returns
// the exit code: 1 if a result was wrong.
int bench_main(int argc, char** argv, const std::string& title,
               const std::function<std::vector<Case>(const Options&)>& make_cases);

}  // namespace imago::bench
