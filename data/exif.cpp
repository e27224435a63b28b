#include "data/exif.h"

#include <algorithm>

namespace imago::data {
namespace {

// Numbers of a TIFF block in its byte order; 0 beyond its end.
class Tiff {
 public:
  explicit Tiff(std::string_view bytes) : bytes_(bytes), little_(bytes.starts_with("II")) {}
  uint32_t u16(size_t at) const { return little_ ? byte(at) | byte(at + 1) << 8 : byte(at) << 8 | byte(at + 1); }
  uint32_t u32(size_t at) const { return little_ ? u16(at) | u16(at + 2) << 16 : u16(at) << 16 | u16(at + 2); }

 private:
  uint32_t byte(size_t i) const { return i < bytes_.size() ? static_cast<unsigned char>(bytes_[i]) : 0; }
  std::string_view bytes_;
  bool little_;
};

// The orientation in the first directory of a TIFF block.
int orientation_of(const Tiff& tiff) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (tiff.u16(2) != 42) return 1;
  const size_t directory = tiff.u32(4);
  const size_t entries = tiff.u16(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (tiff.u16(entry) != kOrientation || tiff.u16(entry + 2) != kShort) continue;
    const uint32_t value = tiff.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::string_view jpeg) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  if (!jpeg.starts_with("\xff\xd8")) return 1;
  // Segments: 0xff, a marker, a big-endian length that counts itself. Pixels begin at the marker 0xda.
  for (size_t at = 2; at + 4 <= jpeg.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(jpeg[at + i]); };
    if (byte(0) != 0xff || byte(1) == 0xda) return 1;
    const size_t length = size_t{byte(2)} << 8 | byte(3);
    const std::string_view body = jpeg.substr(at + 4, std::max<size_t>(length, 2) - 2);
    if (byte(1) == 0xe1 && body.starts_with(kExif)) return orientation_of(Tiff(body.substr(kExif.size())));
    at += 2 + std::max<size_t>(length, 2);
  }
  return 1;
}

Tensor upright(const Tensor& image, int orientation) {
  IMAGO_CHECK(image.rank() == 3 && image.dtype() == DType::u8, "upright: image must be u8 (H, W, C), got ",
              image.dtype(), " ", image.shape());
  IMAGO_CHECK(orientation >= 1 && orientation <= 8, "upright: orientation must be from 1 to 8, got ", orientation);
  if (orientation == 1) return image;
  const int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  const bool turned = orientation >= 5;
  // 5 to 8 swap the axes; then rows and columns are mirrored so that the stored row 0 and column 0 come to lie where
  // the standard's table says: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, ...
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const int64_t out_h = turned ? W : H, out_w = turned ? H : W;
  Tensor out({out_h, out_w, C}, DType::u8, Device::cpu);
  uint8_t* y = out.data<uint8_t>();
  for (int64_t i = 0; i < out_h; ++i)
    for (int64_t j = 0; j < out_w; ++j) {
      const int64_t a = flip_rows ? out_h - 1 - i : i, b = flip_columns ? out_w - 1 - j : j;
      const uint8_t* x = image.data<uint8_t>() + (turned ? b * W + a : a * W + b) * C;
      y = std::copy_n(x, C, y);
    }
  return out;
}

}  // namespace imago::data
