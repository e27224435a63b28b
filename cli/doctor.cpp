// What this machine and this build can do, and why not more.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "cli/commands.h"
#include "core/allocator.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "data/image_folder.h"
#include "examples/program/progress.h"
#include "kernels/backend.h"

namespace imago::cli {
namespace {

// "AMD EPYC 7763", as the system calls it.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown processor";
}

void say(bool good, const std::string& what, const std::string& fix = "") {
  fmt::print("  {} {}\n", good ? "yes" : " no", what);
  if (!fix.empty()) fmt::print("      {}\n", fix);
}

void say_cpu() {
  fmt::print("processor: {}\n", processor());
  say(true, fmt::format("kernels: {}", kernels::cpu_backend().name));
  say(true, fmt::format("threads: {} of {} processors", thread_count(), std::thread::hardware_concurrency()));
}

// One sentence of the CUDA backend says what is missing: driver, GPU, code for it.
void say_gpu() {
  fmt::print("GPU:\n");
  if (!has_device(Device::cuda)) {
    say(false, "this build has no CUDA kernels",
        "with the CUDA toolkit, 12 or newer: cmake -S . -B build -DIMAGO_CUDA=ON, and build again");
    return;
  }
  try {
    release(allocate(1, Device::cuda), 1, Device::cuda);
    say(true, "cuda: programs use it unless told --device cpu");
  } catch (const Error& error) {
    say(false, error.what());
  }
}

void say_emulator() {
  fmt::print("emulator of a GPU (for tests of the CUDA kernels):\n");
  say(has_device(Device::simt), has_device(Device::simt) ? "simt" : "not in this program; the tests have it");
}

void say_data() {
  fmt::print("data:\n");
  const char* folder = std::getenv("IMAGO_DATA_DIR");
  say(folder != nullptr, folder ? fmt::format("IMAGO_DATA_DIR is {}", folder) : "IMAGO_DATA_DIR is not set",
      folder ? "" : "without it MNIST is looked for in data/mnist, or fetched, or drawn");
  const std::filesystem::path cache = data::default_image_cache();
  say(!cache.empty(), cache.empty() ? "no place for decoded pictures: neither XDG_CACHE_HOME nor HOME is set"
                                    : fmt::format("decoded pictures are kept in {}", cache.string()));
}

}  // namespace

Command add_doctor(CLI::App&) {
  return [] {
    say_cpu();
    say_gpu();
    say_emulator();
    say_data();
    return 0;
  };
}

}  // namespace imago::cli
