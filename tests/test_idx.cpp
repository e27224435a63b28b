#include <cstring>

#include "data/atomic_file.h"
#include "data/idx.h"
#include "data/input_file.h"
#include "data/mnist.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string out;
  for (const int v : values) out += static_cast<char>(v);
  return out;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.numel() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

// Labels 3, 1, 4 as gzip makes them of the 11 bytes.
const std::string kLabels = bytes_of({0, 0, 8, 1, 0, 0, 0, 3, 3, 1, 4});
const std::string kLabelsGzip = bytes_of(
    {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    2,    3,    0x63, 0x60, 0xe0, 0x60, 0x64, 0x60,
     0x60, 0x60, 0x66, 0x66, 0x64, 0x01, 0x00, 0x85, 0xf7, 0x70, 0x12, 11,   0,    0,    0});

void write_mnist(const fs::path& folder, const std::string& part, int64_t count,
                 const std::string& separator = "-") {
  Tensor images({count, 4, 4}, DType::u8), labels({count}, DType::u8);
  images.fill(7);
  labels.fill(2);
  data::write_idx(folder / (part + "-images" + separator + "idx3-ubyte"), images);
  data::write_idx(folder / (part + "-labels" + separator + "idx1-ubyte"), labels);
}

}  // namespace

TEST_CASE("idx round trip", "[idx]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  for (const Shape& shape :
       {Shape{3}, Shape{0}, Shape{2, 5, 3}, Shape{1, 2, 1, 2, 1, 3}, Shape{300, 0}}) {
    Tensor t(shape, DType::u8);
    for (int64_t i = 0; i < t.numel(); ++i) t.data<uint8_t>()[i] = static_cast<uint8_t>(7 * i);
    data::write_idx(path, t);
    CHECK(same(data::read_idx(path), t));
  }
}

TEST_CASE("idx files are what the format says", "[idx]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  data::write_idx(path, Tensor::from<uint8_t>({3, 1, 4}, {3}));
  CHECK(data::read_file(path) == kLabels);
}

TEST_CASE("idx names what is wrong with a file", "[idx][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "x", prefix = "idx: " + path + ": ";
  const auto expect = [&](const std::string& bytes, const std::string& reason) {
    data::write_file(path, bytes);
    CHECK_THROWS_WITH(data::read_idx(path), prefix + reason);
  };
  expect("", "the header must have at least 4 bytes, got 0");
  expect(bytes_of({0, 0, 8}), "the header must have at least 4 bytes, got 3");
  expect("<html>", "the first two bytes must be 0, got 60 and 104");
  expect(bytes_of({0, 1, 8, 1}), "the first two bytes must be 0, got 0 and 1");
  expect(bytes_of({0, 0, 13, 1}), "the type must be 8 (unsigned bytes), got 13");
  expect(bytes_of({0, 0, 8, 0}), "the rank must be 1 to 6, got 0");
  expect(bytes_of({0, 0, 8, 7}), "the rank must be 1 to 6, got 7");
  expect(bytes_of({0, 0, 8, 255}), "the rank must be 1 to 6, got 255");
  expect(bytes_of({0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0}),
         "a header of rank 3 must have 16 bytes, got 11");
  expect(bytes_of({0, 0, 8, 1, 0, 0, 0, 3, 1, 2}), "(3) must have 3 bytes of data, got 2");
  expect(bytes_of({0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3, 4}), "(3) must have 3 bytes of data, got 4");
  expect(bytes_of({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2}), "(2, 2) must have 4 bytes of data, got 0");
  expect(bytes_of({0, 0, 8, 1, 255, 255, 255, 255, 1}),
         "(4294967295) must have 4294967295 bytes of data, got 1");
  expect(bytes_of({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}),
         "the extents multiply to more than 2^63 elements");
  const std::string missing = folder / "missing";
  CHECK_THROWS_WITH(data::read_idx(missing),
                    "cannot read " + missing + ": No such file or directory");
}

TEST_CASE("write_idx names the bad argument", "[idx][errors]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(data::write_idx(folder / "x", Tensor::zeros({2})),
                    "write_idx: values must be u8, got f32");
  CHECK_THROWS_WITH(data::write_idx(folder / "x", Tensor::zeros({}, DType::u8)),
                    "write_idx: values must have at least one axis, got ()");
  CHECK(folder.entries() == 0);
}

TEST_CASE("mnist files are found under all their names", "[mnist]") {
  for (const std::string separator : {"-", "."}) {
    const TemporaryFolder folder;
    CHECK_FALSE(data::has_mnist(folder.path()));
    write_mnist(folder.path(), "train", 5, separator);
    CHECK_FALSE(data::has_mnist(folder.path()));
    write_mnist(folder.path(), "t10k", 3, separator);
    CHECK(data::has_mnist(folder.path()));
    const data::ImageDataset train = data::load_mnist(folder.path(), data::MnistPart::train);
    const data::ImageDataset test = data::load_mnist(folder.path(), data::MnistPart::test);
    CHECK(train.images.shape() == Shape{5, 4, 4, 1});
    CHECK(train.labels.shape() == Shape{5});
    CHECK(test.size() == 3);
  }
}

TEST_CASE("mnist files are unpacked by what is in them, whatever their name", "[mnist]") {
  const TemporaryFolder folder;
  write_mnist(folder.path(), "train", 3);
  fs::remove(folder / "train-labels-idx1-ubyte");
  for (const char* name : {"train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"})
    for (const std::string& contents : {kLabels, kLabelsGzip}) {
      data::write_file(folder / name, contents);
      const data::ImageDataset train = data::load_mnist(folder.path(), data::MnistPart::train);
      CHECK(train.labels.to_vector<int64_t>() == std::vector<int64_t>{3, 1, 4});
      fs::remove(folder / name);
    }
}

TEST_CASE("mnist says what is missing and how to get it", "[mnist][errors]") {
  const TemporaryFolder folder;
  const std::string here = folder.path().string();
  const std::string hint =
      "(.gz); fetch it with `cmake -DDEST=" + here + " -P scripts/fetch_mnist.cmake`";
  CHECK_THROWS_WITH(data::load_mnist(here, data::MnistPart::train),
                    "mnist: there is no " + here + "/train-images-idx3-ubyte" + hint);
  CHECK_THROWS_WITH(data::load_mnist(here, data::MnistPart::test),
                    "mnist: there is no " + here + "/t10k-images-idx3-ubyte" + hint);
  write_mnist(here, "train", 2);
  fs::remove(folder / "train-labels-idx1-ubyte");
  CHECK_THROWS_WITH(data::load_mnist(here, data::MnistPart::train),
                    "mnist: there is no " + here + "/train-labels-idx1-ubyte" + hint);
}

TEST_CASE("mnist files that do not fit together are refused", "[mnist][errors]") {
  const TemporaryFolder folder;
  const std::string images = folder / "train-images-idx3-ubyte",
                    labels = folder / "train-labels-idx1-ubyte";
  const auto expect = [&](const Shape& image_shape, const Shape& label_shape,
                          const std::string& message) {
    data::write_idx(images, Tensor::zeros(image_shape, DType::u8));
    data::write_idx(labels, Tensor::zeros(label_shape, DType::u8));
    CHECK_THROWS_WITH(data::load_mnist(folder.path(), data::MnistPart::train), "mnist: " + message);
  };
  expect({4, 2}, {4}, images + " must hold (N, H, W) images, got (4, 2)");
  expect({4, 2, 2}, {4, 1}, labels + " must hold (N) labels, got (4, 1)");
  expect({4, 2, 2}, {5}, labels + " must hold 4 labels, one per image, got 5");
}

TEST_CASE("mnist itself", "[mnist][data]") {
  const std::string folder = data_dir() + "/mnist";
  if (data_dir().empty()) {
    WARN("skipped: IMAGO_DATA_DIR is not set, so there is no MNIST to read");
    return;
  }
  const data::ImageDataset train = data::load_mnist(folder, data::MnistPart::train);
  const data::ImageDataset test = data::load_mnist(folder, data::MnistPart::test);
  CHECK(train.images.shape() == Shape{60000, 28, 28, 1});
  CHECK(test.images.shape() == Shape{10000, 28, 28, 1});
  const std::vector<int64_t> first = train.labels.slice(0, 10).to_vector<int64_t>();
  CHECK(first == std::vector<int64_t>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4});
  int64_t sum = 0;
  for (const uint8_t pixel : train.images.span<uint8_t>()) sum += pixel;
  CHECK(static_cast<double>(sum) / (255.0 * 60000 * 784) ==
        Approx(0.1306605).margin(1e-6));  // the well-known mean
}
