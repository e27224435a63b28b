// The header of a safetensors file: its JSON, and the rules that every header has to keep.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/safetensors.h"

namespace imago::data {

// Bytes; the limit of the reference implementation.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsHeader {
  std::vector<std::pair<std::string, SafetensorsInfo>> entries;  // by name
  std::map<std::string, std::string> metadata;
};

// The types of the format, in the order that files are sorted by (in reverse).
struct SafetensorsDType {
  const char* name;
  unsigned bits;
};
inline constexpr SafetensorsDType kSafetensorsDTypes[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
};
// The index in the list above, or -1.
int safetensors_dtype_index(std::string_view name);

// Parses and checks a header of a file with `data_bytes` bytes of data. `file` is for messages.
SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view json,
                                           uint64_t data_bytes);

}  // namespace imago::data
