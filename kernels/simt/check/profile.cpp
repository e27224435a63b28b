// Bank conflicts and sectors, counted by replaying each warp's accesses.
#include "kernels/simt/profile.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "kernels/simt/check/profile.h"
#include "kernels/simt/check/report.h"
#include "kernels/simt/locate.h"

namespace simt {
namespace check {

bool profiling = false;

namespace {

struct Logged {
  uint64_t offset;
  uint16_t place, caller;
  uint8_t bytes;
  bool shared, write;
  uint64_t instruction() const {
    return place | uint64_t{caller} << 16 | uint64_t{shared} << 32 | uint64_t{write} << 33;
  }
};
struct Range {
  uint64_t offset, bytes;
};
using Request = std::vector<Range>;  // what the lanes that take part access

std::vector<Logged> logs[kMaxThreads];
constexpr size_t kMaxLogged = 1 << 20;

struct Instruction {
  const void* kernel;
  uint16_t place, caller;
  bool shared, write;
  bool operator<(const Instruction& o) const {
    return std::tie(kernel, place, caller, shared, write) < std::tie(o.kernel, o.place, o.caller, o.shared, o.write);
  }
};
std::map<Instruction, Counters> counters;
const void* kernel_now = nullptr;

// The distinct multiples of `unit` that the ranges touch.
std::vector<uint64_t> units(const Request& request, uint64_t unit) {
  std::vector<uint64_t> all;
  for (const Range& r : request)
    for (uint64_t u = r.offset / unit; u <= (r.offset + r.bytes - 1) / unit; ++u) all.push_back(u);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// A wavefront reads one word of each of the 32 banks.
uint64_t wavefronts(const Request& phase) {
  unsigned words[32] = {};
  for (const uint64_t word : units(phase, 4)) ++words[word % 32];
  return *std::max_element(words, words + 32);
}

void count(Counters& c, const std::array<std::vector<const Logged*>, kWarpSize>& lanes, size_t round, bool shared) {
  ++c.requests;
  unsigned bytes = 4;
  Request all;
  // Shared memory serves 128 bytes at a time: 32 lanes of 4 bytes, 16 of 8, 8 of 16.
  for (const auto& lane : lanes)
    if (round < lane.size()) bytes = std::max<unsigned>(bytes, lane[round]->bytes);
  const unsigned lanes_a_phase = bytes >= 16 ? 8 : bytes >= 8 ? 16 : 32;
  for (unsigned first = 0; first < kWarpSize; first += lanes_a_phase) {
    Request phase;
    for (unsigned l = first; l < first + lanes_a_phase; ++l)
      if (round < lanes[l].size()) phase.push_back({lanes[l][round]->offset, lanes[l][round]->bytes});
    if (shared && !phase.empty()) {
      c.wavefronts += wavefronts(phase);
      ++c.ideal_wavefronts;
    }
    all.insert(all.end(), phase.begin(), phase.end());
  }
  if (!shared) {
    c.sectors += units(all, 32).size();
    c.bytes += units(all, 1).size();
  }
}

void replay_warp(unsigned first, unsigned size) {
  std::unordered_map<uint64_t, std::array<std::vector<const Logged*>, kWarpSize>> by_instruction;
  for (unsigned lane = 0; lane < size; ++lane)
    for (const Logged& e : logs[first + lane]) by_instruction[e.instruction()][lane].push_back(&e);
  for (const auto& [key, lanes] : by_instruction) {
    const Instruction instruction{kernel_now, static_cast<uint16_t>(key), static_cast<uint16_t>(key >> 16),
                                  (key >> 32 & 1) != 0, (key >> 33 & 1) != 0};
    size_t rounds = 0;
    for (const auto& lane : lanes) rounds = std::max(rounds, lane.size());
    for (size_t round = 0; round < rounds; ++round) count(counters[instruction], lanes, round, instruction.shared);
  }
  for (unsigned lane = 0; lane < size; ++lane) logs[first + lane].clear();
}

// $IMAGO_SIMT_PROFILE=1: from the start, and the table at the end.
struct AtExit {
  AtExit() {
    const char* text = std::getenv("IMAGO_SIMT_PROFILE");
    profiling = printing = text && std::strcmp(text, "0") != 0;
  }
  ~AtExit() {
    if (printing) std::fputs(profile_table().c_str(), stderr);
  }
  bool printing;
} at_exit;

}  // namespace

void profile_launch(const void* kernel) { kernel_now = kernel; }

void log_request(const Thread& t, const void* pc, size_t offset, size_t bytes, bool shared, bool write) {
  Pause pause;
  auto& log = logs[t.linear];
  const void* caller = t.depth && t.depth <= kCallDepth ? t.calls[t.depth - 1] : nullptr;
  log.push_back({offset, place_index(pc), place_index(caller), static_cast<uint8_t>(std::min<size_t>(bytes, 255)),
                 shared, write});
  if (log.size() > kMaxLogged) replay_requests();
}

void replay_requests() {
  if (!profiling) return;
  for (unsigned first = 0; first < running_threads(); first += kWarpSize) {
    replay_warp(first, std::min(kWarpSize, running_threads() - first));
  }
}

}  // namespace check

void set_profiling(bool on) { check::profiling = on; }

void clear_profile() { check::counters.clear(); }

std::vector<ProfileLine> profile() {
  check::Pause pause;
  std::map<std::tuple<std::string, std::string, bool, bool>, Counters> lines;
  for (const auto& [i, c] : check::counters) {
    const void* caller = check::place_address(i.caller);
    const std::string place = check::place_text(check::place_address(i.place), &caller, caller ? 1 : 0);
    lines[{detail::function_name(i.kernel), place, i.shared, i.write}] += c;
  }
  std::vector<ProfileLine> result;
  for (const auto& [key, c] : lines) {
    const auto& [kernel, place, shared, write] = key;
    result.push_back({kernel, place, shared, write, c});
  }
  return result;
}

std::string profile_table() {
  std::string table, kernel;
  for (const ProfileLine& l : profile()) {
    if (l.kernel != kernel) table += (kernel = l.kernel) + "\n";
    char text[400];
    const int n = std::snprintf(text, sizeof text, "  %-60s %s %s %9llu requests, ", l.place.c_str(),
                                l.shared ? "shared" : "device", l.write ? "write" : "read ",
                                static_cast<unsigned long long>(l.counters.requests));
    if (l.shared) {
      std::snprintf(text + n, sizeof text - static_cast<size_t>(n), "%5.2f wavefronts for each needed\n",
                    l.counters.conflict());
    } else {
      std::snprintf(text + n, sizeof text - static_cast<size_t>(n),
                    "%5.2f sectors each, %3.0f %% of their bytes used\n", l.counters.sectors_per_request(),
                    100 * l.counters.sector_use());
    }
    table += text;
  }
  return table;
}

}  // namespace simt
