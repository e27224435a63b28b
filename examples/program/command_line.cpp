#include "examples/program/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <numeric>

namespace imago::program {
namespace {

// Levenshtein 1966, one row at a time.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(
          row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row.back();
}

// Those of the chosen subcommand too, if there are any.
std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::App* chosen : app.get_subcommands()) flags = flags_of(*chosen);
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

// --output_dir=my_run -> --output-dir=my_run
std::string with_dashes(std::string arg) {
  if (arg.starts_with("--"))
    std::replace(arg.begin(), arg.begin() + static_cast<long>(std::min(arg.find('='), arg.size())), '_', '-');
  return arg;
}

// CLI11 wants the arguments last to first.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> args;
  for (int i = argc - 1; i > 0; --i) args.push_back(with_dashes(argv[i]));
  return args;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    commands.push_back(command->get_name());
  return commands;
}

std::vector<std::string>& saved_arguments() {
  static std::vector<std::string> arguments;
  return arguments;
}

int usage_error(const CLI::App& app, const std::string& what) {
  fmt::print(stderr, "{}: {}\n(--help lists the flags)\n", app.get_name(), what);
  return kUsageExitCode;
}

// `text` if it is no number for which `good` holds, as a message; otherwise "".
template <typename Good>
std::string require(const std::string& text, const char* what, Good good) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && good(value)
             ? ""
             : fmt::format("must be {}, got {}", what, text);
}

}  // namespace

std::string shell_word(const std::string& argument) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:+-";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) return argument;
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string command_line(const std::vector<std::string>& without) {
  std::string line;
  const std::vector<std::string>& all = saved_arguments();
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string flag = with_dashes(all[i]), name = flag.substr(0, flag.find('='));
    const auto left_out = [&](const std::string& f) {
      return std::find(without.begin(), without.end(), f) != without.end();
    };
    if (left_out(name + '=')) {
      if (name == flag) ++i;  // its value is the next one
    } else if (!left_out(name)) {
      line += (i ? " " : "") + shell_word(all[i]);
    }
  }
  return line;
}

std::string positive(const std::string& text) {
  return require(text, "a positive number", [](double v) { return v > 0; });
}
std::string not_negative(const std::string& text) {
  return require(text, "a number from 0 on", [](double v) { return v >= 0; });
}
std::string fraction(const std::string& text) {
  return require(text, "a number from 0 to 1", [](double v) { return v >= 0 && v <= 1; });
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = std::max<size_t>(3, word.size() / 3 + 1);
  for (const std::string& candidate : candidates)
    if (const size_t distance = edit_distance(word, candidate); distance < least)
      least = distance, best = candidate;
  return best;
}

int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  saved_arguments().assign(argv, argv + argc);
  // So that an unknown flag can be answered with the nearest one.
  app.allow_extras();
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) command->allow_extras();
  try {
    app.parse(arguments(argc, argv));
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what());
  }
  for (const std::string& extra : app.remaining(/*recurse=*/true)) {
    const std::string flag = extra.substr(0, extra.find('='));
    const std::string hint = nearest(flag, flag.starts_with("-") ? flags_of(app) : commands_of(app));
    return usage_error(
        app, fmt::format("unknown {} {}{}", flag.starts_with("-") ? "flag" : "argument", flag,
                         hint.empty() ? "" : fmt::format("; did you mean {}?", hint)));
  }
  try {
    return body();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", app.get_name(), error.what());
    return kErrorExitCode;
  }
}

}  // namespace imago::program
