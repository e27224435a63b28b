#include "data/gzip.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "data/stb.h"

namespace imago::data {
namespace {

constexpr size_t kTrailer = 8;  // CRC-32 and length
constexpr uint64_t kDeflateGrowth =
    1032;  // 258 bytes from two bits is the most that deflate can do
enum Flag : unsigned { kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0 };

unsigned byte_at(std::string_view bytes, size_t i) { return static_cast<unsigned char>(bytes[i]); }

uint32_t little32(std::string_view bytes, size_t i) {
  return byte_at(bytes, i) | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2) << 16 |
         byte_at(bytes, i + 3) << 24;
}

// tables[k][b] is the CRC of byte b followed by k zero bytes, so that eight bytes are folded in at
// a time.
using CrcTables = std::array<std::array<uint32_t, 256>, 8>;
constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t c = b;
    for (int bit = 0; bit < 8; ++bit) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0u);
    tables[0][b] = c;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t b = 0; b < 256; ++b)
      tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
  return tables;
}
constexpr CrcTables kCrc = make_crc_tables();

// Where the compressed data start.
size_t skip_header(std::string_view bytes, const std::string& file) {
  const std::string truncated = concat("gzip: ", file, ": the file is cut off in its header");
  IMAGO_CHECK(bytes.size() >= 10, truncated);
  IMAGO_CHECK(is_gzip(bytes), "gzip: ", file, ": it is not a gzip file");
  IMAGO_CHECK(byte_at(bytes, 2) == 8, "gzip: ", file,
              ": the compression method must be 8 (deflate), got ", byte_at(bytes, 2));
  const unsigned flags = byte_at(bytes, 3);
  IMAGO_CHECK(!(flags & kReserved), "gzip: ", file, ": the header has unknown flags, ", flags);
  size_t at = 10;
  const auto skip = [&](size_t count) {
    IMAGO_CHECK(bytes.size() - at >= count, truncated);
    at += count;
  };
  const auto skip_text = [&] {
    const size_t end = bytes.find('\0', at);
    IMAGO_CHECK(end != bytes.npos, truncated);
    at = end + 1;
  };
  if (flags & kExtra) {
    skip(2);
    skip(byte_at(bytes, at - 2) | byte_at(bytes, at - 1) << 8);
  }
  if (flags & kName) skip_text();
  if (flags & kComment) skip_text();
  if (flags & kHeaderCrc) {
    const uint32_t expected = crc32(bytes.substr(0, at)) & 0xffff;
    skip(2);
    IMAGO_CHECK((byte_at(bytes, at - 2) | byte_at(bytes, at - 1) << 8) == expected, "gzip: ", file,
                ": the header is damaged, its checksum does not match");
  }
  return at;
}

}  // namespace

bool is_gzip(std::string_view bytes) {
  return bytes.size() >= 2 && byte_at(bytes, 0) == 0x1f && byte_at(bytes, 1) == 0x8b;
}

uint32_t crc32(std::string_view bytes) {
  uint32_t c = ~0u;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const uint32_t low = c ^ little32(bytes, i), high = little32(bytes, i + 4);
    c = kCrc[7][low & 255] ^ kCrc[6][low >> 8 & 255] ^ kCrc[5][low >> 16 & 255] ^
        kCrc[4][low >> 24] ^ kCrc[3][high & 255] ^ kCrc[2][high >> 8 & 255] ^
        kCrc[1][high >> 16 & 255] ^ kCrc[0][high >> 24];
  }
  for (; i < bytes.size(); ++i) c = c >> 8 ^ kCrc[0][(c ^ byte_at(bytes, i)) & 255];
  return ~c;
}

std::string gunzip(std::string_view bytes, const std::string& file, uint64_t limit) {
  const size_t begin = skip_header(bytes, file);
  IMAGO_CHECK(bytes.size() - begin > kTrailer, "gzip: ", file, ": the file is cut off");
  const uint32_t crc = little32(bytes, bytes.size() - 8), size = little32(bytes, bytes.size() - 4);
  const char* damaged = ": the file is damaged, cut off, or has more than one member";
  // A length that the data cannot have would only ask for memory.
  IMAGO_CHECK(size <= kDeflateGrowth * (bytes.size() - begin), "gzip: ", file, damaged);
  IMAGO_CHECK(size <= limit, "gzip: ", file, ": the contents must have at most ", limit,
              " bytes, got ", size);

  std::string out(std::max<size_t>(size, 1), '\0');
  size_t written = 0;
  // The trailer goes along: the decoder wants to look a few bytes ahead of the last code.
  const bool decoded = stb::inflate(bytes.substr(begin), out, written);
  IMAGO_CHECK(decoded && written == size, "gzip: ", file, damaged);
  out.resize(size);
  IMAGO_CHECK(crc32(out) == crc, "gzip: ", file, damaged);
  return out;
}

}  // namespace imago::data
