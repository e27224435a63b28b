// One exception type and one check macro. A message is one sentence: `op: argument must be X, got Y`.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace imago {

// Everything that imago throws. what() is one sentence for the person who called.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The parts, streamed one after the other.
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <typename... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw Error(concat(parts...));
}

}  // namespace imago

// Throws imago::Error made of the message parts unless `condition` holds; parts are formatted only on failure.
#define IMAGO_CHECK(condition, ...)                             \
  do {                                                          \
    if (!(condition)) [[unlikely]] ::imago::fail(__VA_ARGS__); \
  } while (false)
