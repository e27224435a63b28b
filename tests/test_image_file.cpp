#include "data/atomic_file.h"
#include "data/grid.h"
#include "data/gzip.h"
#include "data/image_file.h"
#include "data/input_file.h"
#include "data/pixels.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using data::PixelRange;

namespace {

Tensor pattern(const Shape& shape) {
  Tensor t(shape, DType::u8);
  for (int64_t i = 0; i < t.numel(); ++i)
    t.data<uint8_t>()[i] = static_cast<uint8_t>(i * i / 3 + 11 * i);
  return t;
}

}  // namespace

TEST_CASE("png round trip", "[image]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.png";
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{1, 1, 3}, Shape{7, 5, 3}, Shape{31, 33, 1}, Shape{64, 3, 3}}) {
    CAPTURE(shape);
    const Tensor image = pattern(shape);
    data::write_png(path, image);
    const Tensor back = data::read_image(path);
    CHECK(back.shape() == shape);
    CHECK(back.to_vector<int64_t>() == image.to_vector<int64_t>());
    CHECK(data::read_image(path, 3).shape() == shape.with(2, 3));
    CHECK(data::read_image(path, 1).shape() == shape.with(2, 1));
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("png files are cut into chunks whose checksums hold", "[image]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.png";
  data::write_png(path, pattern({9, 4, 3}));
  const std::string png = data::read_file(path);
  CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  std::string names;
  const auto big = [&](size_t i) {
    uint32_t v = 0;
    for (size_t k = 0; k < 4; ++k) v = v << 8 | static_cast<unsigned char>(png.at(i + k));
    return v;
  };
  for (size_t i = 8; i < png.size(); i += 12 + big(i)) {
    names += png.substr(i + 4, 4) + " ";
    CHECK(data::crc32(std::string_view(png).substr(i + 4, 4 + big(i))) == big(i + 8 + big(i)));
  }
  CHECK(names == "IHDR IDAT IEND ");
}

TEST_CASE("images name the bad argument", "[image][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.png";
  const auto shapes =
      "write_png: image must be (H, W, 1) or (H, W, 3) with sides of 1 to 16384, got ";
  CHECK_THROWS_WITH(data::write_png(path, Tensor::zeros({2, 2, 3})),
                    "write_png: image must be u8, got f32");
  CHECK_THROWS_WITH(data::write_png(path, pattern({2, 2, 2})), shapes + std::string("(2, 2, 2)"));
  CHECK_THROWS_WITH(data::write_png(path, pattern({2, 2})), shapes + std::string("(2, 2)"));
  CHECK_THROWS_WITH(data::write_png(path, pattern({0, 2, 1})), shapes + std::string("(0, 2, 1)"));
  CHECK_THROWS_WITH(data::write_png(path, pattern({1, 16385, 1})),
                    shapes + std::string("(1, 16385, 1)"));
  CHECK_THROWS_WITH(data::read_image(path, 2), "read_image: channels must be 0, 1 or 3, got 2");
  CHECK_THROWS_WITH(data::read_image(path), "cannot read " + path + ": No such file or directory");
  data::write_file(path, "not an image");
  CHECK_THROWS_WITH(
      data::read_image(path),
      "read_image: " + path + " is not a PNG or JPEG image that can be read: unknown image type");
  data::write_png(path, pattern({40, 40, 3}));
  data::write_file(path, data::read_file(path).substr(0, 400));
  CHECK_THROWS_WITH(data::read_image(path),
                    Contains("is not a PNG or JPEG image that can be read: "));
}

TEST_CASE("jpeg tables that are too long are refused before the decoder sees them",
          "[image][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.jpg";
  const std::string table =
      std::string("\xff\xc4\x01\x14\x10", 5) + std::string(15, '\x11') + "\x02";
  const std::string fits = table.substr(0, 20) + "\x01" + std::string(256, 'v');  // 256 codes
  const std::string too_long = table + std::string(257, 'v');                     // 257 codes
  const std::string comment("\xff\xfe\0\x07", 4), scan("\xff\xda\0\x02", 4);
  const auto expect = [&](const std::string& bytes, bool refused) {
    data::write_file(path, bytes);
    const std::string why = refused ? "bad Huffman table" : "";
    CHECK_THROWS_WITH(data::read_image(path),
                      Contains(" is not a PNG or JPEG image that can be read: " + why));
    try {
      data::read_image(path);
    } catch (const Error& error) {
      CHECK((std::string(error.what()).find("bad Huffman table") != std::string::npos) == refused);
    }
  };
  expect("\xff\xd8" + too_long, true);
  expect("\xff\xff\xff\xd8" + too_long, true);
  expect("\xff\xd8padding\xff" + too_long, true);
  expect("\xff\xd8" + fits, false);
  expect("\xff\xd8" + fits + too_long, true);
  expect("\xff\xd8" + comment + too_long.substr(0, 5), false);  // it is only part of a comment
  expect("\xff\xd8" + scan + "\xff\xfe\x10" + too_long, true);
}

TEST_CASE("jpeg files are read", "[image][data]") {
  if (data_dir().empty()) {
    WARN("skipped: IMAGO_DATA_DIR is not set, so there is no JPEG file to read");
    return;
  }
  int read = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(data_dir() + "/heliconius")) {
    if (entry.path().extension() != ".jpg" || read == 50) continue;
    CHECK(data::read_image(entry.path()).shape() == Shape{128, 128, 3});
    ++read;
  }
  CHECK(read == 50);
}

TEST_CASE("bytes to floats and back", "[pixels]") {
  Tensor all({256}, DType::u8);
  for (int i = 0; i < 256; ++i) all.data<uint8_t>()[i] = static_cast<uint8_t>(i);
  for (const PixelRange range : {PixelRange::unit, PixelRange::symmetric}) {
    const Tensor values = data::from_bytes(all, range);
    CHECK(values.data<float>()[0] == (range == PixelRange::unit ? 0 : -1));
    CHECK(values.data<float>()[255] == 1);
    CHECK(values.data<float>()[51] == Approx(range == PixelRange::unit ? 0.2 : -0.6));
    CHECK(data::to_bytes(values, range).to_vector<int64_t>() == all.to_vector<int64_t>());
    CHECK(data::to_bytes(values.to(DType::f64), range).to_vector<int64_t>() ==
          all.to_vector<int64_t>());
  }
}

TEST_CASE("floats to bytes: clamped, rounded half to even", "[pixels]") {
  const Tensor x = Tensor::from<float>({-3, -1, 0, 1, 3, NAN, INFINITY, -INFINITY}, {8});
  CHECK(data::to_bytes(x, PixelRange::symmetric).to_vector<int64_t>() ==
        std::vector<int64_t>{0, 0, 128, 255, 255, 0, 255, 0});  // 127.5 goes to the even 128
  CHECK(data::to_bytes(x, PixelRange::unit).to_vector<int64_t>() ==
        std::vector<int64_t>{0, 0, 0, 255, 255, 0, 255, 0});
  const Tensor halves =
      Tensor::from<float>({0.5f / 255, 1.5f / 255, 126.5f / 255, 2.6f / 255}, {4});
  CHECK(data::to_bytes(halves, PixelRange::unit).to_vector<int64_t>() ==
        std::vector<int64_t>{0, 2, 126, 3});
  CHECK_THROWS_WITH(data::to_bytes(Tensor::zeros({1}, DType::u8), PixelRange::unit),
                    "to_bytes: values must be f32, f64 or bf16, got u8");
  CHECK_THROWS_WITH(data::from_bytes(x, PixelRange::unit), "from_bytes: bytes must be u8, got f32");
}

TEST_CASE("a grid puts every image where it belongs", "[grid]") {
  for (const int64_t scale : {1, 2, 3})
    for (const int64_t border : {0, 2})
      for (const int64_t C : {1, 3}) {
        CAPTURE(scale, border, C);
        const Tensor images = pattern({5, 4, 3, C});
        const Tensor grid = data::image_grid(
            images, {.columns = 3, .border = border, .upscale = scale, .background = 200});
        REQUIRE(grid.shape() ==
                Shape{border + 2 * (4 * scale + border), border + 3 * (3 * scale + border), C});
        int64_t wrong = 0;
        for (int64_t y = 0; y < grid.dim(0); ++y)
          for (int64_t x = 0; x < grid.dim(1); ++x)
            for (int64_t c = 0; c < C; ++c) {
              const int64_t cy = 4 * scale + border, cx = 3 * scale + border;
              const int64_t row = y / cy, column = x / cx, iy = y % cy - border,
                            ix = x % cx - border;
              const int64_t n = row * 3 + column;
              const bool inside = iy >= 0 && ix >= 0 && n < 5;
              const int64_t source = ((n * 4 + iy / scale) * 3 + ix / scale) * C + c;
              const int expected = inside ? images.data<uint8_t>()[source] : 200;
              wrong += grid.data<uint8_t>()[(y * grid.dim(1) + x) * C + c] != expected;
            }
        CHECK(wrong == 0);
      }
}

TEST_CASE("a grid is as square as it gets, and names the bad argument", "[grid][errors]") {
  CHECK(data::image_grid(pattern({10, 2, 2, 1}), {.border = 1}).shape() == Shape{10, 13, 1});
  CHECK(data::image_grid(pattern({1, 28, 28, 1})).shape() == Shape{32, 32, 1});
  CHECK(data::image_grid(pattern({2, 2, 2, 1}), {.columns = 5, .border = 0}).shape() ==
        Shape{2, 10, 1});
  CHECK_THROWS_WITH(data::image_grid(Tensor::zeros({1, 2, 2, 1})),
                    "image_grid: images must be u8, got f32");
  CHECK_THROWS_WITH(data::image_grid(pattern({2, 2, 1})),
                    "image_grid: images must be (N, H, W, C) with N >= 1, got (2, 2, 1)");
  CHECK_THROWS_WITH(data::image_grid(pattern({0, 2, 2, 1})),
                    "image_grid: images must be (N, H, W, C) with N >= 1, got (0, 2, 2, 1)");
  CHECK_THROWS_WITH(
      data::image_grid(pattern({1, 2, 2, 1}), {.columns = -1, .upscale = 0}),
      "image_grid: columns and border must be >= 0 and upscale >= 1, got -1, 2 and 0");
}
