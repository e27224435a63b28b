#include "data/animation.h"
#include "data/atomic_file.h"
#include "data/gzip.h"
#include "data/image_file.h"
#include "data/input_file.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;

namespace {

Tensor frames(const Shape& shape) {
  Tensor t(shape, DType::u8, Device::cpu);
  for (int64_t i = 0; i < t.numel(); ++i) t.data<uint8_t>()[i] = static_cast<uint8_t>(i * 7);
  return t;
}

struct Chunk {
  std::string name, body;
};

uint32_t big_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(i));
  return value;
}

// The chunks of a file, each with a checksum that holds.
std::vector<Chunk> chunks_of(const std::string& path) {
  const std::string png = data::read_file(path);
  REQUIRE(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  std::vector<Chunk> chunks;
  for (size_t at = 8; at < png.size();) {
    const size_t length = big_endian(png, at);
    chunks.push_back({png.substr(at + 4, 4), png.substr(at + 8, length)});
    CHECK(data::crc32(png.substr(at + 4, 4 + length)) == big_endian(png, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
}

// The file that one frame alone would be, read back.
Tensor frame_of(const std::vector<Chunk>& chunks, const std::string& pixels, const std::string& path) {
  const auto written = [](const std::string& name, const std::string& body) {
    const auto number = [](uint32_t v) {
      return std::string{static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
                         static_cast<char>(v)};
    };
    return number(static_cast<uint32_t>(body.size())) + name + body + number(data::crc32(name + body));
  };
  data::write_file(
      path, "\x89PNG\r\n\x1a\n" + written("IHDR", chunks.at(0).body) + written("IDAT", pixels) + written("IEND", ""));
  return data::read_image(path);
}

}  // namespace

TEST_CASE("an animation holds its frames in order", "[animation]") {
  const TemporaryFolder folder;
  for (const Shape& shape : {Shape{1, 3, 2, 3}, Shape{4, 5, 7, 1}, Shape{3, 8, 8, 3}}) {
    CAPTURE(shape);
    const Tensor in = frames(shape);
    const std::string path = folder / "x.png";
    data::write_animation(path, in, {.frame_ms = 40, .last_frame_ms = 900});
    const auto bytes = [&](int64_t f) { return in.slice(f, f + 1).to_vector<uint8_t>(); };
    CHECK(data::read_image(path).to_vector<uint8_t>() == bytes(0));  // where animation is unknown

    const std::vector<Chunk> chunks = chunks_of(path);
    CHECK(chunks.at(1).name == "acTL");
    CHECK(big_endian(chunks[1].body, 0) == shape[0]);
    uint32_t number = 0;
    int64_t frame = 0;
    for (const Chunk& c : chunks) {
      if (c.name == "fcTL") {
        CHECK(big_endian(c.body, 0) == number++);
        CHECK(big_endian(c.body, 4) == shape[2]);
        CHECK(big_endian(c.body, 8) == shape[1]);
        CHECK(big_endian(c.body, 20) >> 16 == (frame + 1 < shape[0] ? 40 : 900));
      } else if (c.name == "fdAT" || c.name == "IDAT") {
        if (c.name == "fdAT") CHECK(big_endian(c.body, 0) == number++);
        const std::string pixels = c.name == "fdAT" ? c.body.substr(4) : c.body;
        CHECK(frame_of(chunks, pixels, folder / "frame.png").to_vector<uint8_t>() == bytes(frame++));
      }
    }
    CHECK(frame == shape[0]);
    CHECK(chunks.back().name == "IEND");
  }
}

TEST_CASE("animations name the bad argument", "[animation][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.png";
  CHECK_THROWS_WITH(data::write_animation(path, frames({2, 3, 3, 2})),
                    "write_animation: frames must be u8 (F, H, W, 1) or (F, H, W, 3), got u8 (2, 3, 3, 2)");
  CHECK_THROWS_WITH(data::write_animation(path, frames({0, 3, 3, 1})),
                    "write_animation: frames must be u8 (F, H, W, 1) or (F, H, W, 3), got u8 (0, 3, 3, 1)");
  CHECK_THROWS_WITH(data::write_animation(path, frames({1, 3, 3, 1}), {.frame_ms = 70000}),
                    "write_animation: a frame must last from 0 to 65535 ms, got 70000");
  CHECK(folder.entries() == 0);
}
