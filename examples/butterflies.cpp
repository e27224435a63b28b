// Learns to draw butterflies: denoising diffusion as in mnist.cpp, in colour, from real pictures or drawn ones.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/device_memory.h"
#include "data/synthetic_butterflies.h"
#include "examples/program/command_line.h"
#include "examples/program/picture_run.h"

using namespace imago;

namespace {

constexpr int64_t kDrawn = 3000;  // synthetic butterflies in an epoch

// $IMAGO_DATA_DIR/butterflies_cutout, if there is one.
std::string real_butterflies() {
  const char* data = std::getenv("IMAGO_DATA_DIR");
  const std::filesystem::path folder = std::filesystem::path(data ? data : "") / "butterflies_cutout";
  return data && std::filesystem::is_directory(folder) ? folder.string() : "";
}

data::ImageDataset load(std::string folder, int64_t resolution, data::Fit fit) {
  if (folder == "auto") folder = real_butterflies();
  if (!folder.empty() && folder != "synthetic") return program::load_picture_folder(folder, resolution, fit);
  fmt::print(stderr, "{} synthetic butterflies{}\n", kDrawn,
             folder.empty() ? "; --train-data-dir takes a folder of real ones" : "");
  return data::synthetic_butterflies(kDrawn, resolution);
}

}  // namespace

int main(int argc, char** argv) {
  program::PictureFlags flags;
  flags.training.random_flip = true;  // a butterfly in the mirror is one, too
  std::string folder = "auto";
  CLI::App app("Learns to draw butterflies, or what else is in a folder.", "butterflies");
  app.add_option("--train-data-dir", folder,
                 "auto: $IMAGO_DATA_DIR/butterflies_cutout, else synthetic; synthetic; or a folder of pictures");
  program::add_picture_flags(app, flags);
  return program::run(app, argc, argv, [&] {
    set_default_device(device_named(flags.training.device));
    return program::train_pictures("butterflies", app, flags,
                                   [&](int64_t resolution, data::Fit fit) { return load(folder, resolution, fit); });
  });
}
