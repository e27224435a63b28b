#include "data/image_file.h"

#include "data/atomic_file.h"
#include "data/input_file.h"
#include "data/stb.h"

namespace imago::data {
namespace {

constexpr int64_t kMaxSide = 1 << 14;  // pixels

}  // namespace

void write_png(const std::filesystem::path& path, const Tensor& image) {
  IMAGO_CHECK(image.dtype() == DType::u8, "write_png: image must be u8, got ", image.dtype());
  const bool fits = image.rank() == 3 && image.dim(0) >= 1 && image.dim(1) >= 1 &&
                    image.dim(0) <= kMaxSide && image.dim(1) <= kMaxSide &&
                    (image.dim(2) == 1 || image.dim(2) == 3);
  IMAGO_CHECK(fits, "write_png: image must be (H, W, 1) or (H, W, 3) with sides of 1 to ", kMaxSide,
              ", got ", image.shape());
  write_file(path, stb::encode_png(image.data<uint8_t>(), static_cast<int>(image.dim(0)),
                                   static_cast<int>(image.dim(1)), static_cast<int>(image.dim(2))));
}

Tensor read_image(const std::filesystem::path& path, int channels) {
  IMAGO_CHECK(channels == 0 || channels == 1 || channels == 3,
              "read_image: channels must be 0, 1 or 3, got ", channels);
  const std::string file = read_file(path);
  std::string why;
  stb::Pixels pixels = stb::decode_image(file, channels, why);
  // Grey with alpha, or RGB with alpha: once more, without it.
  if (pixels.channels == 2 || pixels.channels == 4)
    pixels = stb::decode_image(file, pixels.channels - 1, why);
  IMAGO_CHECK(pixels.height > 0, "read_image: ", path.string(),
              " is not a PNG or JPEG image that can be read: ", why);
  return Tensor::from<uint8_t>(pixels.bytes, {pixels.height, pixels.width, pixels.channels},
                               Device::cpu);
}

}  // namespace imago::data
