// A PNG file is a signature and chunks: length, name, body, checksum. An animated one says how many frames there are
// (acTL), and has for each frame its size and its time (fcTL) and its pixels, compressed: as IDAT for the first frame,
// which is what a program that knows nothing of this shows, as fdAT with a running number for the others.
#include "data/animation.h"

#include <string>

#include "data/atomic_file.h"
#include "data/gzip.h"
#include "data/stb.h"

namespace imago::data {
namespace {

constexpr size_t kSignature = 8;

std::string big_endian(uint32_t value, int bytes = 4) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  return out;
}
uint32_t length_at(const std::string& png, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(png.at(i));
  return value;
}

std::string chunk(const std::string& name, const std::string& body) {
  const std::string named = name + body;
  return big_endian(static_cast<uint32_t>(body.size())) + named + big_endian(crc32(named));
}

// The body of the chunk `name`; our own encoder writes one of each kind.
std::string body_of(const std::string& png, const std::string& name) {
  for (size_t at = kSignature; at + 12 <= png.size(); at += 12 + length_at(png, at))
    if (png.compare(at + 4, 4, name) == 0) return png.substr(at + 8, length_at(png, at));
  fail("write_animation: the encoder gave no ", name);
}

// Size, place and time of a frame, which replaces the one before.
std::string frame_control(uint32_t number, const Tensor& frame, int64_t ms) {
  return big_endian(number) + big_endian(static_cast<uint32_t>(frame.dim(1))) +
         big_endian(static_cast<uint32_t>(frame.dim(0))) + big_endian(0) + big_endian(0) +
         big_endian(static_cast<uint32_t>(ms), 2) + big_endian(1000, 2) + std::string(2, '\0');
}

}  // namespace

void write_animation(const std::filesystem::path& path, const Tensor& frames, const AnimationOptions& options) {
  const bool fits = frames.dtype() == DType::u8 && frames.rank() == 4 && frames.numel() > 0 &&
                    frames.dim(1) <= 1 << 14 && frames.dim(2) <= 1 << 14 && (frames.dim(3) == 1 || frames.dim(3) == 3);
  IMAGO_CHECK(fits, "write_animation: frames must be u8 (F, H, W, 1) or (F, H, W, 3), got ", frames.dtype(), " ",
              frames.shape());
  for (const int64_t ms : {options.frame_ms, options.last_frame_ms})
    IMAGO_CHECK(ms >= 0 && ms < 1 << 16, "write_animation: a frame must last from 0 to 65535 ms, got ", ms);
  const int64_t F = frames.dim(0);
  const Shape shape = frames.shape().without(0);
  std::string out;
  uint32_t number = 0;
  for (int64_t f = 0; f < F; ++f) {
    const Tensor frame = frames.slice(f, f + 1).reshape(shape);
    const std::string png = stb::encode_png(frame.data<uint8_t>(), static_cast<int>(shape[0]),
                                            static_cast<int>(shape[1]), static_cast<int>(shape[2]));
    if (f == 0)
      out = png.substr(0, kSignature) + chunk("IHDR", body_of(png, "IHDR")) +
            chunk("acTL", big_endian(static_cast<uint32_t>(F)) + big_endian(0));
    out += chunk("fcTL", frame_control(number++, frame, f + 1 < F ? options.frame_ms : options.last_frame_ms));
    const std::string pixels = body_of(png, "IDAT");
    out += f == 0 ? chunk("IDAT", pixels) : chunk("fdAT", big_endian(number++) + pixels);
  }
  write_file(path, out + chunk("IEND", ""));
}

}  // namespace imago::data
