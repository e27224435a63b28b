#include <cstring>

#include "data/atomic_file.h"
#include "data/safetensors.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using data::SafetensorsFile;

namespace {

std::string length_prefix(uint64_t length) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out;
}

std::string document(const std::string& header, size_t data_bytes = 0) {
  return length_prefix(header.size()) + header + std::string(data_bytes, '\1');
}

// What opening a file of these bytes says, after "safetensors: FILE: "; "" if nothing.
std::string complaint(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors", prefix = "safetensors: " + path + ": ";
  data::write_file(path, bytes);
  try {
    SafetensorsFile::open(path);
  } catch (const Error& error) {
    const std::string what = error.what();
    CHECK(what.substr(0, prefix.size()) == prefix);
    return what.substr(std::min(prefix.size(), what.size()));
  }
  return "";
}

// One tensor "a" of four bytes, and the header around it.
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
std::string complaint_of(const std::string& dtype, const std::string& shape,
                         const std::string& offsets, size_t bytes = 4) {
  return complaint(document(R"({"a":)" + entry(dtype, shape, offsets) + "}", bytes));
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

}  // namespace

TEST_CASE("safetensors round trip", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  const std::vector<std::pair<std::string, Tensor>> tensors = {
      {"down_blocks.2.weight", randn({2, 3, 5}, DType::f32)},
      {"down_blocks.10.weight", randn({7}, DType::f64)},
      {"half", randn({3, 3}, DType::bf16)},
      {"scalar", Tensor::from<float>({4.5f}, {})},
      {"empty", Tensor({0, 3}, DType::f32)},
      {"step", Tensor::from<int64_t>({-5, INT64_MAX}, {2})},
      {"index", Tensor::from<int32_t>({1, -2, 3}, {3, 1})},
      {"bytes", Tensor::from<uint8_t>({0, 255, 7}, {1, 1, 3})},
      {"", Tensor::from<float>({1}, {1})},
      {"../\"quoted\"/\xc3\xbc\x01", Tensor::from<float>({NAN, INFINITY}, {2})},
  };
  const std::map<std::string, std::string> metadata = {{"format", "pt"},
                                                       {"\xe2\x82\xac", "a\"b\n"}};
  data::save_safetensors(path, tensors, metadata);
  CHECK(folder.entries() == 1);

  const SafetensorsFile file = SafetensorsFile::open(path);
  CHECK(file.metadata() == metadata);
  CHECK(file.names() == std::vector<std::string>{"", "../\"quoted\"/\xc3\xbc\x01", "bytes",
                                                 "down_blocks.10.weight", "down_blocks.2.weight",
                                                 "empty", "half", "index", "scalar", "step"});
  for (const auto& [name, expected] : tensors) {
    CAPTURE(name);
    REQUIRE(file.contains(name));
    const Tensor got = file.load(name);
    CHECK(got.dtype() == expected.dtype());
    CHECK(got.shape() == expected.shape());
    CHECK((got.bytes() == 0 || std::memcmp(got.raw(), expected.raw(), got.bytes()) == 0));
  }
  CHECK_FALSE(file.contains("down_blocks"));
  CHECK_THROWS_WITH(file.load("nothing"),
                    "safetensors: " + path + ": there is no tensor 'nothing'");
  CHECK(file.info("half").dtype == "BF16");
  CHECK(file.info("half").shape == std::vector<uint64_t>{3, 3});
}

TEST_CASE("safetensors are written in the order and with the padding of the reference",
          "[safetensors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  data::save_safetensors(path,
                         {{"b2", Tensor::full({1}, 1)},
                          {"i", Tensor::from<int64_t>({3}, {1})},
                          {"b10", Tensor::full({1}, 2)},
                          {"u", Tensor::from<uint8_t>({9}, {})}},
                         {{"format", "pt"}});
  std::string header =
      R"({"__metadata__":{"format":"pt"},"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("b10":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("b2":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("u":{"dtype":"U8","shape":[],"data_offsets":[16,17]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string bytes(
      "\3\0\0\0\0\0\0\0"
      "\0\0\0\x40"
      "\0\0\x80\x3f"
      "\x09",
      17);
  CHECK(data::read_file(path) == length_prefix(header.size()) + header + bytes);
}

TEST_CASE("safetensors that the format allows are read", "[safetensors]") {
  CHECK(complaint(document("{}")) == "");
  CHECK(complaint(document("{}      ")) == "");
  CHECK(complaint(document(" \t\r\n{} \t\r\n")) == "");
  CHECK(complaint(document(R"({"__metadata__":{}})")) == "");
  CHECK(complaint(document(R"({"__metadata__":null})")) == "");
  CHECK(complaint_of("\"F32\"", "[]", "[0,4]") == "");
  CHECK(complaint_of("\"F32\"", "[0]", "[0,0]", 0) == "");
  CHECK(complaint_of("\"F32\"", "[5,0,7]", "[0,0]", 0) == "");
  CHECK(complaint_of("\"F32\"", "[9223372036854775808,0]", "[0,0]", 0) == "");
  CHECK(complaint_of("\"F4\"", "[8]", "[0,4]") == "");
  CHECK(complaint_of("\"F6_E2M3\"", "[4]", "[0,3]", 3) == "");
  // any order in the header, no padding
  CHECK(complaint(document(R"({"b":)" + entry("\"U8\"", "[3]", "[1,4]") + R"(,"a":)" +
                               entry("\"U8\"", "[1]", "[0,1]") + "}",
                           4)) == "");
  // members of an entry that the format does not know
  CHECK(complaint(document(
            R"({"a":{"x":{"dtype":[1,{"shape":-1.5}]},"dtype":"U8","y":[[],"s",null,true,-1,1e9],)"
            R"("shape":[4],"data_offsets":[0,4],"x":2}})",
            4)) == "");
  CHECK(complaint(document(
            R"({"a":{"x":)" + nested(126) + R"(,"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
            4)) == "");
}

TEST_CASE("safetensors: every type is recognised, and those that imago has are loaded",
          "[safetensors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  for (const char* dtype :
       {"BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2", "F8_E4M3",
        "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",     "U16", "F16", "BF16",    "I32",
        "U32",     "F32",         "C64",         "F64",     "I64", "U64"}) {
    const std::string name = dtype;
    const int bits = name == "BOOL" ? 8 : std::stoi(name.substr(name.find_first_of("123468")));
    CAPTURE(name, bits);
    const std::string header =
        R"({"a":)" + entry('"' + name + '"', "[4]", "[0," + std::to_string(bits / 2) + "]") + "}";
    data::write_file(path, document(header, static_cast<size_t>(bits) / 2));
    const SafetensorsFile file = SafetensorsFile::open(path);
    const bool loaded =
        std::string(" F64 F32 F16 BF16 I64 I32 U8 ").find(" " + name + " ") != std::string::npos;
    if (loaded)
      CHECK(file.load("a").shape() == Shape{4});
    else
      CHECK_THROWS_WITH(
          file.load("a"),
          "safetensors: " + path +
              ": tensor 'a' must be F64, F32, F16, BF16, I64, I32 or U8 to be loaded, got " + name);
  }
}

TEST_CASE("safetensors: half precision becomes f32 exactly", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  const uint16_t halves[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001,
                             0x83ff, 0x7c00, 0xfc00, 0x7e01, 0x3555};
  std::string bytes = document(R"({"a":)" + entry("\"F16\"", "[11]", "[0,22]") + "}");
  bytes.append(reinterpret_cast<const char*>(halves), sizeof halves);
  data::write_file(path, bytes);
  const std::vector<float> x = SafetensorsFile::open(path).load("a").to_vector<float>();
  const float expected[] = {0,        -0.0f,     1,   -2,         65504, 0x1p-24f, -0x1.ff8p-15f,
                            INFINITY, -INFINITY, NAN, 0x1.554p-2f};
  for (size_t i = 0; i < 11; ++i) {
    CAPTURE(i);
    CHECK((std::isnan(expected[i]) ? std::isnan(x[i]) : x[i] == expected[i]));
    if (!std::isnan(expected[i])) CHECK(std::signbit(x[i]) == std::signbit(expected[i]));
  }
}

TEST_CASE("safetensors: what imago cannot hold is refused when it is loaded",
          "[safetensors][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors", prefix = "safetensors: " + path + ": ";
  data::write_file(path,
                   document(R"({"a":)" + entry("\"U8\"", "[1,1,1,1,1,1,1]", "[0,1]") + R"(,"b":)" +
                                entry("\"U8\"", "[9223372036854775808,0]", "[1,1]") + "}",
                            1));
  const SafetensorsFile file = SafetensorsFile::open(path);
  CHECK_THROWS_WITH(file.load("a"), prefix + "tensor 'a' must have at most 6 axes, got 7");
  CHECK_THROWS_WITH(file.load("b"), prefix + "tensor 'b' has an extent beyond 2^63");
}

TEST_CASE("safetensors: a file that shrinks after it was opened is an error, not a crash",
          "[safetensors][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  data::save_safetensors(path, {{"a", Tensor::zeros({100})}});
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::filesystem::resize_file(path, 100);
  CHECK_THROWS_WITH(file.load("a"), Contains("cannot read " + path + ": it ends at byte 100, "));
}

TEST_CASE("safetensors refuses malformed files: length and JSON", "[safetensors][errors]") {
  CHECK(complaint("") == "a file has at least 8 bytes, got 0");
  CHECK(complaint(std::string(7, '\0')) == "a file has at least 8 bytes, got 7");
  CHECK(complaint(length_prefix(0)) == "the header must be a JSON object");
  CHECK(complaint(length_prefix(3) + "{}") == "the header has 3 bytes, but only 2 follow");
  CHECK(complaint(length_prefix(UINT64_MAX) + "{}") ==
        "the header must have at most 100000000 bytes, got 18446744073709551615");
  CHECK(complaint(length_prefix(UINT64_MAX - 7) + "{}") ==
        "the header must have at most 100000000 bytes, got 18446744073709551608");
  CHECK(complaint(length_prefix(100000001) + "{}") ==
        "the header must have at most 100000000 bytes, got 100000001");
  CHECK(complaint(document("\xff")) == "the header must be a JSON object");
  CHECK(complaint(document("\xef\xbb\xbf{}")) == "the header must be a JSON object");
  CHECK(complaint(document("[]")) == "the header must be a JSON object");
  CHECK(complaint(document("\"a\"")) == "the header must be a JSON object");
  CHECK(complaint(document("   ")) == "the header must be a JSON object");
  CHECK(complaint(document("{")) == "the header is not valid JSON at byte 2");
  CHECK(complaint(document("{}}")) == "the header is not valid JSON at byte 3");
  CHECK(complaint(document("{} {}")) == "the header is not valid JSON at byte 4");
  CHECK(complaint(document(std::string("{}\0", 3))) == "the header is not valid JSON at byte 3");
  CHECK(complaint(document(std::string("{}\0\0garbage", 11))) ==
        "the header is not valid JSON at byte 3");
  CHECK(complaint(document("{/**/}")) == "the header is not valid JSON at byte 2");
  CHECK(complaint(document(R"({"a":)" + entry("\"F32\"", "[1,]", "[0,4]") + "}", 4)) ==
        "the header is not valid JSON at byte 32");
  CHECK(complaint(document("{\"\xff\":1}")) == "the header is not valid JSON at byte 3");
  CHECK(complaint(document("{\"\xc0\x80\":1}")) == "the header is not valid JSON at byte 3");
  CHECK(complaint(document(R"({"\x":1})")) == "the header is not valid JSON at byte 4");
  CHECK(complaint(document(R"({"\ud800":1})")) == "the header is not valid JSON at byte 9");
  CHECK(complaint(document(R"({"\udc00":1})")) == "the header is not valid JSON at byte 8");
  CHECK(complaint(document(R"({"a":{"x":)" + nested(127) + "}}")) ==
        "the header is nested deeper than 128 levels");
  CHECK(complaint(document(R"({"a":{"x":)" + std::string(1000000, '[') + "}}")) ==
        "the header is nested deeper than 128 levels");
}

TEST_CASE("safetensors refuses malformed files: entries", "[safetensors][errors]") {
  const std::string shape = "tensor 'a': shape must be an array of unsigned integers below 2^64";
  const std::string offsets = "tensor 'a': data_offsets must be two unsigned integers below 2^64";
  const std::string object = "tensor 'a' must be described by an object";
  CHECK(complaint(document(R"({"a":[["F32"],[1],[0,4]]})", 4)) == object);
  CHECK(complaint(document(R"({"a":null})")) == object);
  CHECK(complaint(document(R"({"a":3})")) == object);
  CHECK(complaint(document(R"({"a":"F32"})")) == object);
  CHECK(complaint(document(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' has no dtype");
  CHECK(complaint(document(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4)) ==
        "tensor 'a' has no shape");
  CHECK(complaint(document(R"({"a":{"dtype":"F32","shape":[1]}})", 4)) ==
        "tensor 'a' has no data_offsets");
  CHECK(complaint_of("\"F31\"", "[1]", "[0,4]") == "tensor 'a' has the unknown dtype 'F31'");
  CHECK(complaint_of("\"f32\"", "[1]", "[0,4]") == "tensor 'a' has the unknown dtype 'f32'");
  CHECK(complaint_of("32", "[1]", "[0,4]") == "tensor 'a': dtype must be a string");
  CHECK(complaint_of("[\"F32\"]", "[1]", "[0,4]") == "tensor 'a': dtype must be a string");
  CHECK(complaint_of("{}", "[1]", "[0,4]") == "tensor 'a': dtype must be a string");
  for (const char* bad : {"[-1]", "[-0]", "[1.0]", "[1e0]", "[\"1\"]", "[18446744073709551616]",
                          "[null]", "[[1]]", "[{}]", "[true]", "1", "\"1\"", "{}", "null"}) {
    CAPTURE(bad);
    CHECK(complaint_of("\"F32\"", bad, "[0,4]") == shape);
  }
  for (const char* bad :
       {"[0]", "[]", "[0,4,4]", "[0,4,4,8]", "[-0,4]", "[0,-4]", "[0.0,4]", "[0,4e0]", "[0,\"4\"]",
        "[0,[4]]", "[0,18446744073709551616]", "4", "{}", "null"}) {
    CAPTURE(bad);
    CHECK(complaint_of("\"F32\"", "[1]", bad) == offsets);
  }
  std::string many = "[1";
  for (int i = 1; i < 65; ++i) many += ",1";
  CHECK(complaint_of("\"F32\"", many + "]", "[0,4]") == "tensor 'a' has more than 64 extents");

  const std::string u8 = entry("\"U8\"", "[4]", "[0,4]");
  CHECK(complaint(document(R"({"a":)" + u8 + R"(,"a":)" + u8 + "}", 4)) ==
        "tensor 'a' must follow the one before it from byte 4 on, got data_offsets [0, 4]");
  CHECK(complaint(document(R"({"a":)" + u8 + R"(,"a":)" + entry("\"U8\"", "[1]", "[4,5]") + "}",
                           5)) == "the header has tensor 'a' twice");
  CHECK(complaint(document(R"({"a":)" + entry("\"U8\"", "[0]", "[0,0]") + R"(,"\u0061":)" +
                           entry("\"U8\"", "[0]", "[0,0]") + "}")) ==
        "the header has tensor 'a' twice");
  for (const char* field : {R"("dtype":"U8")", R"("shape":[4])", R"("data_offsets":[0,4])"}) {
    std::string name = std::string(field).substr(1);
    name.resize(name.find('"'));
    CHECK(complaint(document(R"({"a":)" + u8.substr(0, u8.size() - 1) + "," + field + "}}", 4)) ==
          "tensor 'a' has the field " + name + " twice");
  }

  const std::string metadata = "__metadata__ must be an object of strings";
  for (const char* bad : {"3", "\"x\"", "[]", "true", R"({"a":1})", R"({"a":null})", R"({"a":{}})",
                          R"({"a":["b"]})"}) {
    CAPTURE(bad);
    CHECK(complaint(document(std::string(R"({"__metadata__":)") + bad + "}")) == metadata);
  }
  CHECK(complaint(document(R"({"__metadata__":{},"__metadata__":{}})")) ==
        "the header has __metadata__ twice");
  CHECK(complaint(document(R"({"__metadata__":{"k":"1","k":"2"}})")) ==
        "__metadata__ has 'k' twice");
}

TEST_CASE("safetensors refuses malformed files: layout", "[safetensors][errors]") {
  const auto two = [](const std::string& a, const std::string& b, size_t bytes) {
    return complaint(document(R"({"a":)" + entry("\"U8\"", a.substr(0, 3), a.substr(4)) +
                                  R"(,"b":)" + entry("\"U8\"", b.substr(0, 3), b.substr(4)) + "}",
                              bytes));
  };
  const std::string b = "tensor 'b' must follow the one before it from byte ";
  CHECK(two("[2] [0,2]", "[2] [2,4]", 4) == "");
  CHECK(two("[2] [0,2]", "[2] [3,5]", 5) == b + "2 on, got data_offsets [3, 5]");
  CHECK(two("[3] [0,3]", "[2] [2,4]", 4) == b + "3 on, got data_offsets [2, 4]");
  CHECK(two("[2] [0,2]", "[2] [0,2]", 2)
            .find(" must follow the one before it from byte 2 on, got data_offsets [0, 2]") == 10);
  CHECK(two("[2] [0,2]", "[2] [2,4]", 3) ==
        "the tensors must have 3 bytes, all that follow the header, got 4");
  CHECK(two("[2] [0,2]", "[2] [2,4]", 5) ==
        "the tensors must have 5 bytes, all that follow the header, got 4");
  CHECK(complaint(document("{}", 1)) ==
        "the tensors must have 1 bytes, all that follow the header, got 0");
  CHECK(complaint_of("\"U8\"", "[3]", "[1,4]") ==
        "tensor 'a' must follow the one before it from byte 0 on, got data_offsets [1, 4]");
  CHECK(complaint_of("\"U8\"", "[0]", "[4,0]") ==
        "tensor 'a' must follow the one before it from byte 0 on, got data_offsets [4, 0]");
  CHECK(complaint_of("\"F32\"", "[2]", "[0,4]") == "tensor 'a' must have 8 bytes, got 4");
  CHECK(complaint_of("\"F32\"", "[0]", "[0,4]") == "tensor 'a' must have 0 bytes, got 4");
  CHECK(complaint_of("\"U8\"", "[100]", "[0,100]") ==
        "the tensors must have 4 bytes, all that follow the header, got 100");
  const std::string overflow = "the size of tensor 'a' overflows 64 bits";
  CHECK(complaint_of("\"U8\"", "[2,9223372036854775808]", "[0,4]") == overflow);
  CHECK(complaint_of("\"F32\"", "[4611686018427387904]", "[0,4]") == overflow);
  CHECK(complaint_of("\"U8\"", "[9223372036854775808,4,0]", "[0,0]", 0) == overflow);
  CHECK(complaint_of("\"F4\"", "[7]", "[0,4]") ==
        "tensor 'a' has 7 elements of F4, which is not a whole number of bytes");
  CHECK(complaint_of("\"F6_E3M2\"", "[2]", "[0,4]") ==
        "tensor 'a' has 2 elements of F6_E3M2, which is not a whole number of bytes");
}

TEST_CASE("safetensors names other kinds of files", "[safetensors][errors]") {
  CHECK(complaint("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n") ==
        "it is a Git LFS pointer; run `git lfs pull` to get the file itself");
  CHECK(complaint(std::string("PK\3\4\0\0\x08\x08\0\0\0\0\0\0", 14)) ==
        "it is a PyTorch file; give it a name that ends with .bin");
  CHECK(complaint(std::string("\x80\2\x8a\nl\xfc\x9c\x46\xf9", 9)) ==
        "it is from before PyTorch 1.6; load it in Python once and save it with "
        "safe_serialization=True");
  CHECK(complaint("<!DOCTYPE html><html>") ==
        "it is a web page, not a weights file; download it again");
  CHECK(complaint(document("{\"" + std::string(200, 'n') + "\\n\":1}")) ==
        "tensor '" + std::string(120, 'n') + "...' must be described by an object");
  CHECK(complaint(document(R"({"a\u0000\n":1})")) ==
        R"(tensor 'a\x00\x0a' must be described by an object)");
}

TEST_CASE("safetensors: a header of very many tensors is read in reasonable time",
          "[safetensors]") {
  std::string header = "{";
  for (int i = 0; i < 200000; ++i)
    header += (i ? ",\"" : "\"") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(complaint(document(header + "}")) == "");
}

TEST_CASE("save_safetensors names the bad argument", "[safetensors][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors", prefix = "safetensors: " + path + ": ";
  const Tensor one = Tensor::full({1}, 1);
  CHECK_THROWS_WITH(data::save_safetensors(path, {{"a", one}, {"b", one}, {"a", one}}),
                    prefix + "two tensors are called 'a'");
  CHECK_THROWS_WITH(data::save_safetensors(path, {{"a", one}, {"a", one.to(DType::f64)}}),
                    prefix + "two tensors are called 'a'");
  CHECK_THROWS_WITH(data::save_safetensors(path, {{"a", Tensor()}}),
                    prefix + "tensor 'a' is undefined");
  CHECK_THROWS_WITH(data::save_safetensors(path, {{"__metadata__", one}}),
                    prefix + "no tensor may be called __metadata__");
  CHECK_THROWS_WITH(data::save_safetensors(path, {{"\xff", one}}), prefix + "'\xff' is not UTF-8");
  CHECK_THROWS_WITH(data::save_safetensors(path, {}, {{"k", "\xff"}}),
                    prefix + "'\xff' is not UTF-8");
  CHECK(folder.entries() == 0);
  const std::string missing = folder / "no/x.safetensors";
  CHECK_THROWS_WITH(data::save_safetensors(missing, {{"a", one}}),
                    "cannot write " + missing + ": No such file or directory");
}
