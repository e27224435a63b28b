// Unpacking of gzip files (RFC 1952) in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace imago::data {

// Whether the bytes start like a gzip file.
bool is_gzip(std::string_view bytes);

// The contents of a gzip file of one member, whose length and CRC-32 have been checked. `file` is
// for messages. Throws if anything is wrong with it, and before any memory is asked for if the
// contents would be larger than `limit`.
std::string gunzip(std::string_view bytes, const std::string& file,
                   uint64_t limit = uint64_t{1} << 30);

// The CRC-32 of gzip and PNG.
uint32_t crc32(std::string_view bytes);

}  // namespace imago::data
