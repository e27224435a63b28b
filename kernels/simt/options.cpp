// Reads the emulator's options from the environment.
#include "kernels/simt/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "core/check.h"
#include "core/parallel.h"
#include "kernels/simt/check/check.h"

namespace simt {
namespace {

template <typename T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

Options from_environment() {
  Options o{.workers = std::min(static_cast<unsigned>(imago::thread_count()), kMaxWorkers)};
  if (const char* text = std::getenv("IMAGO_SIMT_WORKERS")) {
    IMAGO_CHECK(parse(text, o.workers) && o.workers >= 1 && o.workers <= kMaxWorkers,
                "IMAGO_SIMT_WORKERS: must be a number from 1 to ", kMaxWorkers, ", got '", text, "'");
  }
  if (const char* text = std::getenv("IMAGO_SIMT_ORDER")) {
    const std::string_view order = text, prefix = "shuffled:";
    if (order == "reverse") {
      o.order = Order::reverse;
    } else if (order.starts_with(prefix) && parse(order.substr(prefix.size()), o.seed)) {
      o.order = Order::shuffled;
    } else {
      IMAGO_CHECK(order == "forward", "IMAGO_SIMT_ORDER: must be forward, reverse or shuffled:SEED, got '", text, "'");
    }
  }
  const char* profile = std::getenv("IMAGO_SIMT_PROFILE");
  IMAGO_CHECK(check::kChecking || !profile || std::string_view(profile) == "0",
              "IMAGO_SIMT_PROFILE: needs the emulator with its checker, got '", profile, "' without");
  if (check::kChecking) o.workers = 1;  // there is one shadow
  return o;
}

}  // namespace

Options& options() {
  static Options o = from_environment();
  return o;
}

}  // namespace simt
