// Asks addr2line; see locate.h.
#include "kernels/simt/locate.h"

#include <dlfcn.h>

#include <cstdio>
#include <map>
#include <mutex>

namespace simt::detail {
namespace {

// "void imago::(anonymous namespace)::softmax_kernel<float>(float const*, long)" -> "softmax_kernel<float>"
std::string short_name(const std::string& demangled) {
  int depth = 0;
  size_t begin = 0, end = demangled.size();
  for (size_t i = 0; i < demangled.size(); ++i) {
    const char c = demangled[i];
    const bool anonymous = demangled.compare(i, 21, "(anonymous namespace)") == 0;
    if (depth == 0 && anonymous)
      i += 20;
    else if (c == '<')
      ++depth;
    else if (c == '>')
      --depth;
    else if (depth == 0 && (c == ' ' || (c == ':' && i + 1 < demangled.size() && demangled[i + 1] != ':')))
      begin = i + 1;
    else if (depth == 0 && c == '(') {
      end = i;
      break;
    }
  }
  return demangled.substr(begin, end - begin);
}

std::vector<Frame> ask(const void* pc) {
  Dl_info info;
  if (!dladdr(pc, &info) || !info.dli_fname) return {};
  const size_t offset = static_cast<size_t>(static_cast<const char*>(pc) - static_cast<const char*>(info.dli_fbase));
  char command[4352], line[4096];
  std::snprintf(command, sizeof command, "addr2line -Cfie '%s' %#zx 2>/dev/null", info.dli_fname, offset);
  FILE* pipe = popen(command, "r");
  if (!pipe) return {};
  std::vector<Frame> frames;
  for (bool is_function = true; std::fgets(line, sizeof line, pipe); is_function = !is_function) {
    std::string text = line;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (is_function) {
      frames.push_back({short_name(text), "", 0});
    } else {
      const size_t colon = text.rfind(':', text.find(" (discriminator"));
      frames.back().file = text.substr(0, colon);
      frames.back().line = std::atoi(text.c_str() + colon + 1);
    }
  }
  pclose(pipe);
  if (frames.size() == 1 && frames[0].function.starts_with("?")) frames.clear();
  return frames;
}

const std::vector<Frame>& cached(const void* pc) {
  static std::mutex mutex;
  static auto& cache = *new std::map<const void*, std::vector<Frame>>;
  std::lock_guard lock(mutex);
  auto [it, fresh] = cache.try_emplace(pc);
  if (fresh) it->second = ask(pc);
  return it->second;
}

}  // namespace

const std::vector<Frame>& frames_at(const void* pc) { return cached(static_cast<const char*>(pc) - 1); }

std::string function_name(const void* function) {
  const auto& frames = cached(function);
  return frames.empty() ? "kernel" : frames.back().function;
}

}  // namespace simt::detail
