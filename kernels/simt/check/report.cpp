// Words for what was found.
#include "kernels/simt/check/report.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "kernels/simt/check/clock.h"
#include "kernels/simt/locate.h"

namespace simt::check {

KnownPlace place_cache[kPlaceCache];

namespace {

std::vector<const void*> places{nullptr};
std::vector<std::string> reports;
std::set<std::string> seen;
dim3 block_size_of_launch, grid_of_launch;
constexpr size_t kMaxReports = 20;

std::string coordinates(uint64_t i, dim3 n) {
  const uint64_t row = i / n.x;
  return "(" + std::to_string(i % n.x) + "," + std::to_string(row % n.y) + "," + std::to_string(row / n.y) + ")";
}
std::string thread_text(unsigned thread, uint64_t block) {
  return " by thread " + coordinates(thread, block_size_of_launch) + " of block " + coordinates(block, grid_of_launch);
}

// Frames that say nothing about the kernel: the emulator's own, and the library's that call it.
bool is_machinery(const detail::Frame& f) {
  for (const char* part : {"kernels/simt/", "device/portable.cuh", "device/tensor_core.cuh", "/include/c++/"})
    if (f.file.find(part) != std::string::npos) return true;
  return f.line == 0;
}
std::string frame_text(const detail::Frame& f) {
  return f.function + " at " + f.file.substr(f.file.rfind('/') + 1) + ":" + std::to_string(f.line);
}

}  // namespace

uint16_t new_place(const void* pc) {
  Pause pause;
  static auto& known = *new std::unordered_map<const void*, uint16_t>;
  const auto [it, fresh] = known.try_emplace(pc, 0);
  if (fresh && places.size() < 65536) {
    it->second = static_cast<uint16_t>(places.size());
    places.push_back(pc);
  }
  place_cache[reinterpret_cast<uintptr_t>(pc) % kPlaceCache] = {pc, it->second};
  return it->second;
}
const void* place_address(uint16_t place) { return places[place]; }

std::string place_text(const void* pc, const void* const* calls, unsigned depth) {
  if (!pc) return "an unknown place";
  std::vector<detail::Frame> frames;
  const auto add = [&](const void* address) {
    for (const detail::Frame& f : detail::frames_at(address))
      if (!is_machinery(f)) frames.push_back(f);
  };
  add(pc);
  for (unsigned i = std::min(depth, kCallDepth); i > 0; --i) add(calls[i - 1]);
  if (frames.empty()) return "an unknown place";
  std::string text = frame_text(frames.front());
  if (frames.size() > 1) text += ", called from " + frame_text(frames.back());
  return text;
}

void describe_launch(const BlockView& view) {
  block_size_of_launch = view.size;
  grid_of_launch = view.grid;
}

void report(const std::string& what, const void* pc, const Earlier* earlier) {
  if (reports.size() >= kMaxReports) return;
  const std::string key = what.substr(0, what.find(':')) + std::to_string(reinterpret_cast<uintptr_t>(pc)) +
                          (earlier ? "," + std::to_string(earlier->place) : "");
  if (!seen.insert(key).second) return;
  const Thread* t = Pause::running();
  std::string text = what + " in " + place_text(pc, t ? t->calls : nullptr, t ? t->depth : 0);
  if (t) text += thread_text(t->linear, block_at(t->time));
  if (earlier) {
    text += std::string("; earlier ") + earlier->what + " in " + place_text(place_address(earlier->place), nullptr, 0) +
            thread_text(earlier->thread, earlier->block);
  }
  reports.push_back(text);
}

void report_host(const std::string& what, const void* pc) {
  static std::mutex mutex;
  static auto& judged = *new std::set<const void*>;
  const std::lock_guard lock(mutex);
  if (!judged.insert(pc).second) return;
  const auto& frames = detail::frames_at(pc);
  const bool in_source = std::any_of(
      frames.begin(), frames.end(), [](const detail::Frame& f) { return !is_machinery(f) && !f.file.ends_with(".h"); });
  if (in_source) report(what, pc);
}

std::string take_reports() {
  std::string all;
  for (const std::string& r : reports) all += (all.empty() ? "" : "\n") + r;
  reports.clear();
  seen.clear();
  return all;
}

}  // namespace simt::check
