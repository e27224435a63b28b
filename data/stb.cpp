#include "data/stb.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>

#include "core/check.h"

#ifndef __clang_analyzer__  // clang-tidy is to look at our code, not into stb's
#define STB_IMAGE_IMPLEMENTATION
#endif
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (1 << 14)  // what a header may ask memory for
#define STBI_ASSERT(condition) IMAGO_CHECK(condition, "stb_image: " #condition " does not hold")
#include <stb/stb_image.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace imago::data::stb {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

unsigned byte_at(std::string_view bytes, size_t i) {
  return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
}
size_t length_at(std::string_view bytes, size_t i) {
  return byte_at(bytes, i) << 8 | byte_at(bytes, i + 1);
}

// Whether no table of the Huffman segment whose length stands at `at` has more than 256 codes.
bool huffman_tables_fit(std::string_view file, size_t at) {
  const size_t end = at + length_at(file, at);
  for (size_t table = at + 2; table < end;) {
    size_t codes = 0;
    for (size_t i = 1; i <= 16; ++i) codes += byte_at(file, table + i);
    if (codes > 256) return false;
    table += 17 + codes;
  }
  return true;
}

// stb_image 2.27 writes past a table that declares more than 256 codes, so files with such a table
// are not shown to it. Up to the first scan the segments are walked as stb_image walks them; behind
// it, where a damaged file may lead it anywhere, every byte pair that could start a table counts.
bool jpeg_tables_fit(std::string_view file) {
  constexpr unsigned kTables = 0xc4, kScan = 0xda;
  bool in_scans = false;
  const size_t start = std::min(file.find('\xd8'), file.size());  // of the image, after 0xff
  for (size_t at = start + 1; at + 1 < file.size();) {
    if (byte_at(file, at) != 0xff || byte_at(file, at + 1) == 0xff) {
      ++at;
      continue;
    }
    const unsigned marker = byte_at(file, at + 1);
    at += 2;
    if (marker == kTables && !huffman_tables_fit(file, at)) return false;
    in_scans |= marker == kScan;
    if (!in_scans) at += std::max<size_t>(2, length_at(file, at));
  }
  return true;
}

}  // namespace

bool inflate(std::string_view in, std::string& out, size_t& written) {
  if (in.size() > INT_MAX || out.size() > INT_MAX) return false;
  const int size = stbi_zlib_decode_noheader_buffer(out.data(), static_cast<int>(out.size()),
                                                    in.data(), static_cast<int>(in.size()));
  written = size < 0 ? 0 : static_cast<size_t>(size);
  return size >= 0;
}

Pixels decode_image(std::string_view file, std::string& why) {
  Pixels out;
  if (file.size() > INT_MAX) {
    why = "too large";
    return out;
  }
  if (file.starts_with('\xff') && !jpeg_tables_fit(file)) {
    why = "bad Huffman table";
    return out;
  }
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()),
                            static_cast<int>(file.size()), &width, &height, &channels, 0));
  if (!pixels) {
    const char* reason = stbi_failure_reason();
    why = reason ? reason : "unknown format";
    return out;
  }
  out = {.height = height, .width = width, .channels = channels, .bytes = {}};
  out.bytes.assign(pixels.get(), pixels.get() + static_cast<size_t>(height) *
                                                    static_cast<size_t>(width) *
                                                    static_cast<size_t>(out.channels));
  return out;
}

std::string encode_png(const uint8_t* pixels, int height, int width, int channels) {
  int length = 0;
  const std::unique_ptr<unsigned char, Free> png(
      stbi_write_png_to_mem(pixels, width * channels, width, height, channels, &length));
  IMAGO_CHECK(png, "png: out of memory for an image of ", height, " x ", width, " pixels");
  return std::string(reinterpret_cast<const char*>(png.get()), static_cast<size_t>(length));
}

}  // namespace imago::data::stb
