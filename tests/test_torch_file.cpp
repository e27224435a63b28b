#include "data/atomic_file.h"
#include "data/input_file.h"
#include "data/torch_file.h"
#include "tests/golden.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using data::parse_torch_pickle;
using data::TorchFile;
using namespace std::string_literals;

namespace {

const std::string kFile = std::string(IMAGO_GOLDEN_DIR) + "/state_dict.bin";

// ---- pieces of pickles ----

std::string text(const std::string& s) {
  return "X" + std::string(1, char(s.size())) + "\0\0\0"s + s;
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string storage(const std::string& type, char count) {
  return "(" + text("storage") + global("torch", type) + text("0") + text("cpu") + "K" + count +
         "tQ";
}
// A tensor of two axes.
std::string tensor(const std::string& storage, const std::string& offset, const std::string& shape,
                   const std::string& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + offset + shape + strides +
         "\x89" + global("collections", "OrderedDict") + ")RtR";
}
std::string pickle(const std::string& values) { return "\x80\x02}(" + values + "u."; }
std::string two(char a, char b) { return "K"s + a + "K" + b + "\x86"; }

std::string complaint(const std::string& bytes) {
  try {
    parse_torch_pickle("F", bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a file of torch.save() has the tensors that PyTorch put there", "[torch_file][golden]") {
  const TorchFile file = TorchFile::open(kFile);
  const Golden golden("state_dict");
  CHECK(file.names().size() == 16);
  for (const std::string& name : file.names()) {
    CAPTURE(name);
    const Tensor ours = file.load(name), theirs = golden.load(name);
    CHECK(ours.dtype() == theirs.dtype());
    CHECK(ours.shape() == theirs.shape());
    CHECK(ours.to_vector<double>() == theirs.to_vector<double>());
  }
  CHECK_THROWS_WITH(file.load("nothing"), Contains("there is no tensor 'nothing'"));
}

TEST_CASE("a pickle says where a tensor is", "[torch_file]") {
  const std::vector<data::PickledTensor> tensors = parse_torch_pickle(
      "F", pickle(text("b") + tensor(storage("HalfStorage", 20), "K\5", two(3, 4), two(1, 3)) +
                  text("a") + tensor(storage("FloatStorage", 1), "K\0"s, two(0, 9), two(9, 1))));
  REQUIRE(tensors.size() == 2);
  CHECK(tensors[0].name == "a");
  CHECK(tensors[0].shape == std::vector<int64_t>{0, 9});
  CHECK(tensors[1].name == "b");
  CHECK(tensors[1].storage == "0");
  CHECK(tensors[1].storage_type == "HalfStorage");
  CHECK(tensors[1].storage_size == 20);
  CHECK(tensors[1].offset == 5);
  CHECK(tensors[1].shape == std::vector<int64_t>{3, 4});
  CHECK(tensors[1].strides == std::vector<int64_t>{1, 3});
}

TEST_CASE("a pickle that is more than tensors is refused", "[torch_file][errors]") {
  CHECK(complaint("\x80\x02" + global("posix", "system") + "(" + text("rm -rf /") + "tR.") ==
        "torch file: F: the pickle asks for 'posix system', and only tensors are read from such "
        "files");
  CHECK_THAT(complaint("\x80\x02" + global("builtins", "eval") + "."),
             Contains("asks for 'builtins eval'"));
  CHECK(complaint("\x80\x04.") == "torch file: F: the pickle must be of protocol 2, got 4");
  CHECK(complaint("\x80\x02i.") ==
        "torch file: F: the pickle uses the pickle operation 105, which no state dict needs");
  CHECK(complaint("\x80\x02N.") == "torch file: F: the pickle must hold a dictionary of tensors");
  CHECK(complaint(pickle(text("state_dict") + "}")) ==
        "torch file: F: the pickle must hold a dictionary of tensors, but 'state_dict' is none");
  CHECK(complaint(pickle("K\1K\2")) ==
        "torch file: F: the pickle must hold a dictionary of tensors with names");
}

TEST_CASE("a pickle that is damaged is refused", "[torch_file][errors]") {
  const std::string four = storage("FloatStorage", 4), zero = "K\0"s;
  const std::string good = tensor(four, zero, two(2, 2), two(2, 1));
  CHECK(complaint(pickle(text("a") + good)) == "");
  CHECK(complaint(pickle(text("a") + good + text("a") + good)) ==
        "torch file: F: the pickle has 'a' twice");
  const char* beyond = "torch file: F: the pickle puts 'a' beyond the end of its storage";
  const std::string outside[] = {
      tensor(four, "K\1", two(2, 2), two(2, 1)),
      tensor(four, zero, two(2, 2), two(3, 1)),
      tensor(four, zero, two(3, 2), two(0, 0)),  // more elements than there are
      tensor(four, "J\xff\xff\xff\xff", two(2, 2), two(2, 1)),
      tensor(four, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", two(2, 2), two(2, 1)),
      tensor(four, zero, "J\xff\xff\xff\xffK\2\x86", two(2, 1)),
      tensor(four, zero, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\2\x86", two(2, 1)),
      tensor(four, zero, two(2, 2), "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x86")};
  for (const std::string& bad : outside) CHECK(complaint(pickle(text("a") + bad)) == beyond);
  CHECK(complaint(pickle(text("a") + tensor(four, zero, two(2, 2), "K\1\x85"))) ==
        "torch file: F: the pickle gives 'a' 2 extents and 1 strides");
  CHECK(complaint(pickle(text("a") + tensor(four, zero, "NN\x86", two(2, 1)))) ==
        "torch file: F: the pickle must give shapes and strides as integers");
  CHECK(complaint("\x80\x02\x8a\x09" + std::string(9, 'x') + ".") ==
        "torch file: F: the pickle has an integer beyond 64 bits");
  CHECK(complaint("") == "torch file: F: the pickle is cut off");
  CHECK(complaint("\x80\x02X\xff\xff\xff\xff") == "torch file: F: the pickle is cut off");
  // Stacks that run empty, values that were never kept, calls of what is no function.
  for (const std::string& bad :
       {"."s, "t."s, "s."s, "(.("s, "h\0."s, "q\0."s, "NR."s, "NNR."s, "NQ."s, "}Nb("s, "NNNs."s,
        "}(Nu."s, "N(\x85."s, ")))\x87Q."s, global("torch", "FloatStorage") + ")R."})
    CHECK_THAT(complaint("\x80\x02" + bad), Catch::StartsWith("torch file: F: the pickle is "));
  const std::string whole = pickle(text("a") + good);
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK_THAT(complaint(whole.substr(0, length)), Contains("cut off"));
}

TEST_CASE("a file of torch.save() that is damaged is refused", "[torch_file][errors]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "weights.bin";
  const std::string good = data::read_file(kFile);
  const auto load_all = [&](const std::string& bytes) {
    data::write_file(path, bytes);
    const TorchFile file = TorchFile::open(path);
    for (const std::string& name : file.names()) file.load(name);
  };
  load_all(good);
  for (size_t length = 0; length < good.size(); length += length < good.size() - 100 ? 97 : 1)
    CHECK_THROWS_AS(load_all(good.substr(0, length)), Error);
  // A changed byte is found out, or is one that does not matter.
  size_t refused = 0;
  for (size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    try {
      load_all(bad);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
  std::string bad = good;
  bad[good.find("\0\0\x20\x40"s)] ^= 1;  // of the scalar, 2.5
  CHECK_THROWS_WITH(load_all(bad), Contains("is damaged"));

  CHECK_THROWS_WITH(load_all("\x80\2\x8a\nl\xfc"), Contains("it is from before PyTorch 1.6"));
  CHECK_THROWS_WITH(load_all("version https://git-lfs"), Contains("it is a Git LFS pointer"));
  CHECK_THROWS_WITH(load_all("hello"), Contains("it is not a file of torch.save()"));
  CHECK_THROWS_WITH(load_all("PK\3\4"), Contains("it is cut off, or not a zip archive"));
}
