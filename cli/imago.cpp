// imago: trains on a folder of pictures, draws, and looks into models.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "cli/commands.h"
#include "examples/program/command_line.h"

using namespace imago;

namespace {

constexpr const char* kPicture = R"(
      .-~~-.   \   /   .-~~-.
     ( o    `\  \ /  /`    o )      imago: diffusion models from scratch
      \  ._   \ .|. /   _.  /
       `(   `-.\(|)/.-'   )`          imago train  my-pictures --output-dir runs/mine
        /  o .-'|||`-. o  \           imago sample runs/mine/model
        `.__/    |    \__.'
)";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kPicture, "imago");
  app.footer("imago COMMAND --help lists what a command can be told.");
  std::map<std::string, cli::Command> commands;
  const auto add = [&](const char* name, const char* what, cli::Command (*add_flags)(CLI::App&)) {
    commands[name] = add_flags(*app.add_subcommand(name, what));
  };
  add("train", "learn to draw pictures like those in a folder", cli::add_train);
  add("sample", "draw pictures with a model in diffusers' format", cli::add_sample);
  add("info", "say what is in a model, a run, a folder of pictures or a file", cli::add_info);
  add("convert", "write a model anew, as one that today's diffusers loads", cli::add_convert);
  add("doctor", "say what this machine and this build can do, and why not more", cli::add_doctor);
  return program::run(app, argc, argv, [&] {
    for (const CLI::App* chosen : app.get_subcommands()) return commands.at(chosen->get_name())();
    fmt::print("{}", app.help());
    return 0;
  });
}
