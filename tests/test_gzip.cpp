#include "core/philox.h"
#include "data/gzip.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using data::gunzip;

namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 255);
  return out;
}

// The squares below 3600, and the deflate stream that zlib makes of them, with Huffman codes of its
// own.
std::string squares() {
  std::string text;
  for (int i = 0; i < 60; ++i) text += std::to_string(i * i) + " ";
  return text;
}
const std::string kSquaresDeflated = from_hex(
    "158ec101c030080257610435d6c4fd17ebf12251c00ba55aab1cd5a733ead5b45e2a23948576b3c5b158f0d487bed5"
    "a9c64f1a5f37fa5a5f"
    "adbe3b1a7c835efe97f963bff876dc4b3083864caad29d5994e7f195f6b9cf77c70063920b51be36038415a6481357"
    "acea44ab3a12321235"
    "7e5dcf9eb78bef3871e83734e487bed334ff");

// A member; `extra` is what follows the fixed part of the header when `flags` say so.
std::string member(const std::string& deflated, const std::string& content, int flags = 0,
                   const std::string& extra = "") {
  return "\x1f\x8b\x08" + little(static_cast<uint64_t>(flags), 1) + std::string(6, '\0') + extra +
         deflated + little(data::crc32(content), 4) + little(content.size(), 4);
}
// A deflate stream of one block that is not compressed.
std::string stored(const std::string& content) {
  return little(1, 1) + little(content.size(), 2) + little(~content.size(), 2) + content;
}

}  // namespace

TEST_CASE("crc32", "[gzip]") {
  CHECK(data::crc32("") == 0);
  CHECK(data::crc32("123456789") == 0xcbf43926u);
  CHECK(data::crc32(squares()) == 0x9f944009u);
}

TEST_CASE("gunzip unpacks every kind of block and skips every kind of header", "[gzip]") {
  const std::string text = squares(), name("digits\0", 7), comment("a comment\0", 10);
  CHECK(gunzip(member(kSquaresDeflated, text), "f") == text);
  CHECK(gunzip(member(stored(text), text), "f") == text);
  CHECK(gunzip(member(from_hex("0300"), ""), "f").empty());
  const std::string run(300, 'a');  // fixed Huffman codes
  CHECK(gunzip(member(from_hex("4b4c1c05c40200"), run), "f") == run);
  CHECK(gunzip(member(kSquaresDeflated, text, 1), "f") == text);
  CHECK(gunzip(member(kSquaresDeflated, text, 8, name), "f") == text);
  CHECK(gunzip(member(kSquaresDeflated, text, 16, comment), "f") == text);
  CHECK(gunzip(member(kSquaresDeflated, text, 4, little(3, 2) + "xyz"), "f") == text);
  const std::string all = little(2, 2) + "xy" + name + comment;
  const std::string header = "\x1f\x8b\x08\x1f" + std::string(6, '\0') + all;
  CHECK(gunzip(member(kSquaresDeflated, text, 31, all + little(data::crc32(header), 2)), "f") ==
        text);
}

TEST_CASE("gunzip refuses what is not a whole gzip file", "[gzip][errors]") {
  const std::string text = squares(), good = member(kSquaresDeflated, text);
  const std::string header = "gzip: f: the file is cut off in its header";
  const std::string damaged = "gzip: f: the file is damaged, cut off, or has more than one member";
  CHECK_THROWS_WITH(gunzip("", "f"), header);
  CHECK_THROWS_WITH(gunzip(good.substr(0, 9), "f"), header);
  CHECK_THROWS_WITH(gunzip(good.substr(0, 18), "f"), "gzip: f: the file is cut off");
  CHECK_THROWS_WITH(gunzip(std::string(20, 'x'), "f"), "gzip: f: it is not a gzip file");
  CHECK_THROWS_WITH(gunzip("\x1f\x8b\x07" + good.substr(3), "f"),
                    "gzip: f: the compression method must be 8 (deflate), got 7");
  CHECK_THROWS_WITH(gunzip(member(kSquaresDeflated, text, 0x20), "f"),
                    "gzip: f: the header has unknown flags, 32");
  CHECK_THROWS_WITH(gunzip("\x1f\x8b\x08\x08" + std::string(6, '\0') + "name without end", "f"),
                    header);
  CHECK_THROWS_WITH(
      gunzip("\x1f\x8b\x08\x04" + std::string(6, '\0') + little(65535, 2) + good, "f"), header);
  CHECK_THROWS_WITH(gunzip(member(kSquaresDeflated, text, 2, "??"), "f"),
                    "gzip: f: the header is damaged, its checksum does not match");
  for (size_t length = 19; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_WITH(gunzip(good.substr(0, length), "f"), damaged);
  }
  CHECK_THROWS_WITH(gunzip(good + "\n", "f"), damaged);
  CHECK_THROWS_WITH(gunzip(good + member(stored("x"), "x"), "f"), damaged);
  CHECK_THROWS_WITH(gunzip(member(stored(text), text + "x"), "f"), damaged);
  CHECK_THROWS_WITH(gunzip(member(stored(text + "x"), text), "f"), damaged);
  // the length says 4 GB; no memory is asked for, because so few bytes cannot hold so many
  CHECK_THROWS_WITH(gunzip(good.substr(0, good.size() - 4) + "\xff\xff\xff\xff", "f"), damaged);
}

TEST_CASE("gunzip refuses contents beyond the limit", "[gzip][errors]") {
  const std::string text = squares();
  CHECK(gunzip(member(kSquaresDeflated, text), "f", 254) == text);
  CHECK_THROWS_WITH(gunzip(member(kSquaresDeflated, text), "f", 253),
                    "gzip: f: the contents must have at most 253 bytes, got 254");
}

TEST_CASE("gunzip survives damaged files", "[gzip]") {
  const std::string text = squares(),
                    good = member(kSquaresDeflated, text, 8, std::string("name\0", 5));
  const RandomKey key{.seed = 7};
  int refused = 0;
  for (uint64_t round = 0; round < 3000; ++round) {
    std::string bytes = good;
    const int64_t changes = 1 + integer_at(key, 20 * round, 4);
    for (uint64_t c = 0; c < static_cast<uint64_t>(changes); ++c) {
      const auto at = static_cast<size_t>(
          integer_at(key, 20 * round + 2 * c + 1, static_cast<int64_t>(bytes.size())));
      bytes[at] = static_cast<char>(integer_at(key, 20 * round + 2 * c + 2, 256));
    }
    if (round % 5 == 0)
      bytes.resize(static_cast<size_t>(
          integer_at(key, 20 * round + 19, static_cast<int64_t>(bytes.size()))));
    try {
      if (gunzip(bytes, "f") != text) FAIL("round " << round << " gave other contents");
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 2400);  // the rest hit what does not matter: the date, the file's name
}
