// The three things that imago has from the stb single-header libraries. They are compiled once,
// with internal linkage, so that a program which brings its own stb does not meet ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace imago::data::stb {

// Decompresses a raw deflate stream, which may be followed by other bytes, into `out`. Whether that
// worked; on success `written` is the number of bytes it gave.
bool inflate(std::string_view in, std::string& out, size_t& written);

struct Pixels {
  int height = 0, width = 0, channels = 0;
  std::vector<uint8_t> bytes;  // (height, width, channels)
};
// A PNG or JPEG image with the channels that it has: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. If it
// cannot be read, height is 0 and `why` says what is wrong.
Pixels decode_image(std::string_view file, std::string& why);

// A PNG file. 1, 2, 3 or 4 channels.
std::string encode_png(const uint8_t* pixels, int height, int width, int channels);

}  // namespace imago::data::stb
