// The manners of imago's programs: flags, help, errors and exit codes.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace imago::program {

inline constexpr int kErrorExitCode = 1;
inline constexpr int kUsageExitCode = 2;

// Parses the command line and runs `body`; returns the program's exit code. --train_batch_size is
// taken for
// --train-batch-size. An unknown flag is answered with the nearest known one and exit code 2; an
// imago::Error (or any other std::exception) with one sentence on standard error and exit code 1.
int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

// An argument as one types it in a shell: in quotes where it has characters that mean something there.
std::string shell_word(const std::string& argument);

// The command line that run() was called with, as one would type it again, without some flags: those that take a value
// with = behind their name.
std::string command_line(const std::vector<std::string>& without = {});

// Checks for CLI11's ->check(), with messages that people can read: "must be a positive number, got
// -1".
std::string positive(const std::string& text);
std::string not_negative(const std::string& text);
std::string fraction(const std::string& text);  // in [0, 1]

// The candidate with the smallest edit distance to `word`, or "" if none is close.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace imago::program
