#include "data/image_file.h"

#include "data/atomic_file.h"
#include "data/exif.h"
#include "data/input_file.h"
#include "data/stb.h"

namespace imago::data {
namespace {

// Every pixel becomes f(pixel), which writes `channels` bytes.
template <typename F>
stb::Pixels each_pixel(const stb::Pixels& in, int channels, F f) {
  stb::Pixels out{.height = in.height, .width = in.width, .channels = channels, .bytes = {}};
  out.bytes.resize(in.bytes.size() / static_cast<size_t>(in.channels) * static_cast<size_t>(channels));
  uint8_t* y = out.bytes.data();
  for (size_t i = 0; i < in.bytes.size(); i += static_cast<size_t>(in.channels), y += channels) f(&in.bytes[i], y);
  return out;
}

// Grey or colour with alpha, over white.
stb::Pixels over_white(const stb::Pixels& in) {
  const int colours = in.channels - 1;
  return each_pixel(in, colours, [&](const uint8_t* x, uint8_t* y) {
    const int alpha = x[colours];
    for (int c = 0; c < colours; ++c) y[c] = static_cast<uint8_t>((x[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  });
}

// Luma is that of ITU-R BT.601, as in PIL.
stb::Pixels converted(const stb::Pixels& in, int channels) {
  if (in.channels == channels) return in;
  if (channels == 3) return each_pixel(in, 3, [](const uint8_t* x, uint8_t* y) { y[0] = y[1] = y[2] = x[0]; });
  return each_pixel(in, 1, [](const uint8_t* x, uint8_t* y) {
    y[0] = static_cast<uint8_t>((x[0] * 19595 + x[1] * 38470 + x[2] * 7471 + 0x8000) >> 16);
  });
}

}  // namespace

void write_png(const std::filesystem::path& path, const Tensor& image) {
  IMAGO_CHECK(image.dtype() == DType::u8, "write_png: image must be u8, got ", image.dtype());
  const bool fits = image.rank() == 3 && image.dim(0) >= 1 && image.dim(1) >= 1 &&
                    image.dim(0) <= kMaxPngSide && image.dim(1) <= kMaxPngSide &&
                    (image.dim(2) == 1 || image.dim(2) == 3);
  IMAGO_CHECK(fits, "write_png: image must be (H, W, 1) or (H, W, 3) with sides of 1 to ", kMaxPngSide,
              ", got ", image.shape());
  write_file(path, stb::encode_png(image.data<uint8_t>(), static_cast<int>(image.dim(0)),
                                   static_cast<int>(image.dim(1)), static_cast<int>(image.dim(2))));
}

Tensor read_image(const std::filesystem::path& path, int channels) {
  IMAGO_CHECK(channels == 0 || channels == 1 || channels == 3,
              "read_image: channels must be 0, 1 or 3, got ", channels);
  const std::string file = read_file(path);
  std::string why;
  stb::Pixels pixels = stb::decode_image(file, why);
  IMAGO_CHECK(pixels.height > 0, "read_image: ", path.string(),
              " is not a PNG or JPEG image that can be read: ", why);
  if (pixels.channels % 2 == 0) pixels = over_white(pixels);
  if (channels) pixels = converted(pixels, channels);
  const Tensor image = Tensor::from<uint8_t>(pixels.bytes, {pixels.height, pixels.width, pixels.channels}, Device::cpu);
  return upright(image, exif_orientation(file));
}

}  // namespace imago::data
