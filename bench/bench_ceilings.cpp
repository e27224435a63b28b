// What the device can do at best: bytes through its memory, read and written by our own copy, and
// arithmetic in a large matrix product, by our kernel and by cuBLAS where it can be opened. Others
// state their distance from these. With
// --yardsticks only says what can be opened.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/layers.h"
#include "bench/timeline.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/precision.h"
#include "kernels/scale.h"

using namespace imago;
using bench::Precision;
using Json = nlohmann::json;

namespace {

// Enough to outlast any cache and any launch, and no more than the device does in a moment.
struct Sizes {
  int64_t copied, product;
};
Sizes sizes(Device device) {
  switch (device) {
    case Device::cuda:
      return {int64_t{1} << 28, 8192};
    case Device::cpu:
      return {int64_t{1} << 25, 1536};
    case Device::simt:
      return {4096, 64};
  }
  return {};
}

Json best(bench::ColdTimer& timer, double amount, const std::string& by,
          const std::function<void()>& f, int samples) {
  f();
  const std::vector<double> seconds = timer.seconds(f, samples);
  return {{"by", by},
          {"per_second", amount / bench::median(seconds)},
          {"seconds", bench::median(seconds)}};
}

Json copy_bandwidth(bench::ColdTimer& timer, int64_t n, int samples) {
  const Tensor x = rand({n}, {.seed = 1});
  return best(
      timer, 2.0 * static_cast<double>(x.bytes()), "imago", [&] { kernels::scale(x, 1); }, samples);
}

// The faster of ours and theirs.
Json matmul_rate(bench::ColdTimer& timer, const bench::Yardsticks& yardsticks, Precision precision,
                 int64_t n, int samples) {
  using kernels::MatmulPrecision;
  kernels::set_matmul_precision(precision == Precision::tf32 ? MatmulPrecision::tf32
                                                             : MatmulPrecision::f32);
  kernels::Matmul p{};
  p.batch = 1, p.M = p.N = p.K = n;
  const auto layer =
      bench::load({.launcher = "matmul", .direction = "input", .params = p, .launches = 1},
                  bench::dtype_of(precision));
  const double flops = layer->work().flops;
  Json result = best(timer, flops, "imago", layer->ours().run, samples);
  std::string why;
  for (const bench::Runner& rival : layer->rivals(yardsticks, precision == Precision::tf32, why)) {
    const Json theirs = best(timer, flops, rival.by, rival.run, samples);
    if (theirs["per_second"] > result["per_second"]) result = theirs;
  }
  result["size"] = n;
  return result;
}

// Asks the loader and the GPU, whatever device is chosen.
int say_yardsticks() {
  const bench::Yardsticks yardsticks = bench::open_yardsticks(Device::cuda);
  if (yardsticks.cudnn) std::printf("cuDNN %s\n", yardsticks.cudnn->version().c_str());
  if (yardsticks.cublas) std::printf("cuBLAS %s\n", yardsticks.cublas->version().c_str());
  for (const std::string& why : yardsticks.absent) std::printf("absent: %s\n", why.c_str());
  return 0;
}

int run(const std::string& device_name, const std::string& json, int samples, int threads) {
  set_default_device(device_named(device_name));
  if (threads > 0) set_thread_count(threads);
  const Device device = default_device();
  const Sizes size = sizes(device);
  const bench::Yardsticks yardsticks = bench::open_yardsticks(device);
  bench::ColdTimer timer(device);
  Json ceilings{{"device", name_of(device)},
                {"threads", thread_count()},
                {"copy", copy_bandwidth(timer, size.copied, samples)}};
  std::printf("copy: %.1f GB/s\n", 1e-9 * ceilings["copy"]["per_second"].get<double>());
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
    if (device == Device::cpu && p != Precision::f32) continue;
    const Json& rate = ceilings["matmul"][name_of(p)] =
        matmul_rate(timer, yardsticks, p, size.product, samples);
    std::printf("matmul %s: %.3f TFLOP/s by %s\n", name_of(p),
                1e-12 * rate["per_second"].get<double>(), rate["by"].get<std::string>().c_str());
  }
  if (!json.empty()) std::ofstream(json) << ceilings.dump(1) << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string device = "auto", json;
  int samples = 9, threads = 0;
  bool yardsticks = false;
  CLI::App app("what the device can do at best");
  app.add_option("--device", device, "cpu, cuda or simt")->capture_default_str();
  app.add_option("--samples", samples, "calls to take the median of")->capture_default_str();
  app.add_option("--threads", threads, "threads to use; 0 for all")->capture_default_str();
  app.add_option("--json", json, "write the ceilings to this file");
  app.add_flag("--yardsticks", yardsticks, "only say which of cuDNN and cuBLAS can be opened");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  try {
    return yardsticks ? say_yardsticks() : run(device, json, samples, threads);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
