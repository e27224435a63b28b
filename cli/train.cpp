// Trains on a folder of pictures.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "core/device_memory.h"
#include "examples/program/picture_run.h"

namespace imago::cli {

Command add_train(CLI::App& app) {
  struct Flags {
    std::string folder;
    program::PictureFlags pictures;
  };
  const auto f = std::make_shared<Flags>();
  app.add_option("pictures", f->folder, "a folder of .jpg and .png files, sub-folders included")->required();
  program::add_picture_flags(app, f->pictures);
  return [f, &app] {
    set_default_device(device_named(f->pictures.training.device));
    const std::string name = std::filesystem::path(f->folder).lexically_normal().filename().string();
    return program::train_pictures(
        name.empty() || name == "." ? "pictures" : name, app, f->pictures,
        [&](int64_t resolution, data::Fit fit) { return program::load_picture_folder(f->folder, resolution, fit); });
  };
}

}  // namespace imago::cli
