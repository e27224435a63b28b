// A model, however old its format, as one that today's diffusers loads.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "diffusion/pipeline.h"
#include "nn/module.h"

namespace imago::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string from, to, variant;
  bool overwrite = false;
};

int convert(const Flags& f) {
  std::error_code ignored;
  IMAGO_CHECK(f.overwrite || !fs::exists(f.to) || fs::is_empty(f.to, ignored), "convert: ", f.to,
              " exists already; --overwrite replaces the model in it");
  const nn::UNet2D unet = diffusion::load_unet(f.from, f.variant);
  diffusion::save_pipeline(f.to, unet, diffusion::load_scheduler_config(f.from));
  fmt::print(stderr, "{:.2f} M parameters, f32\n", static_cast<double>(nn::parameter_count(unet)) / 1e6);
  fmt::print("{}\n", f.to);
  return 0;
}

}  // namespace

Command add_convert(CLI::App& app) {
  const auto flags = std::make_shared<Flags>();
  app.add_option("from", flags->from, "folder of a diffusers pipeline, new or old")->required();
  app.add_option("to", flags->to, "folder to write")->required();
  app.add_option("--variant", flags->variant, "which of the weights, where there are several: fp16, say");
  app.add_flag("--overwrite", flags->overwrite, "the folder may hold a model already");
  return [flags] { return convert(*flags); };
}

}  // namespace imago::cli
