#include <fstream>

#include "data/atomic_file.h"
#include "data/image_file.h"
#include "data/image_folder.h"
#include "tests/golden.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(const Tensor& t) {
  const Tensor here = t.to(Device::cpu);
  return std::string(reinterpret_cast<const char*>(here.data<uint8_t>()), here.bytes());
}

// A plain square picture.
void write_square(const fs::path& path, uint8_t grey, int64_t side = 4) {
  fs::create_directories(path.parent_path());
  data::write_png(path, Tensor::full({side, side, 3}, grey, DType::u8, Device::cpu));
}

double mean_gap(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::abs(x[i] - y[i]);
  return sum / static_cast<double>(x.size());
}

}  // namespace

TEST_CASE("pictures of many kinds show what PIL says", "[image_folder]") {
  const Golden golden("images");
  const TemporaryFolder folder;
  for (const char* name : {"png", "grey.png", "palette.png", "alpha.png", "grey_alpha.png", "deep.png", "jpg",
                           "grey.jpg", "progressive.jpg", "exif1.jpg", "exif2.jpg", "exif3.jpg", "exif4.jpg",
                           "exif5.jpg", "exif6.jpg", "exif7.jpg", "exif8.jpg"}) {
    CAPTURE(name);
    const std::string path = folder / name;
    data::write_file(path, bytes_of(golden.load("file." + std::string(name))));
    const Tensor shown = golden.load("shows." + std::string(name)).to(Device::cpu);
    // Decoders of JPEG may round differently.
    const bool exact = std::string(name).ends_with("png");
    CHECK(mean_gap(data::read_image(path), shown) <= (exact ? 0 : 0.5));
    CHECK(data::read_image(path, 3).shape() == shown.shape().with(2, 3));
    CHECK(data::read_image(path, 1).shape() == shown.shape().with(2, 1));
  }
}

TEST_CASE("a folder of pictures: order, classes, labels", "[image_folder]") {
  const TemporaryFolder folder;
  write_square(folder / "b/deep/2.png", 20);
  write_square(folder / "b/1.PNG", 10, 9);
  write_square(folder / "a/3.png", 30);
  write_square(folder / ".hidden/4.png", 40);
  write_square(folder / "a/.5.png", 50);
  data::write_file(folder / "a/notes.txt", "no picture");
  std::vector<int64_t> told;
  const auto set = data::load_image_folder(
      folder.path(), {.resolution = 2, .progress = [&](int64_t done, int64_t) { told.push_back(done); }});
  CHECK(set.files == std::vector<std::string>{"a/3.png", "b/1.PNG", "b/deep/2.png"});
  CHECK(set.classes == std::vector<std::string>{"a", "b"});
  CHECK(set.dataset.labels.to_vector<int64_t>() == std::vector<int64_t>{0, 1, 1});
  CHECK(set.dataset.images.shape() == Shape{3, 2, 2, 3});
  CHECK(set.dataset.images.to_vector<int64_t>()[0] == 30);
  CHECK(set.dataset.images.to_vector<int64_t>()[12] == 10);
  CHECK(set.other_files == 1);
  CHECK(told == std::vector<int64_t>{3});

  write_square(folder / "0.png", 0);  // beside the sub-folders: no classes
  const auto flat = data::load_image_folder(folder.path(), {.resolution = 2, .channels = 1});
  CHECK(flat.classes.empty());
  CHECK(!flat.dataset.labels.defined());
  CHECK(flat.dataset.images.shape() == Shape{4, 2, 2, 1});
}

TEST_CASE("linked folders are followed, each once", "[image_folder]") {
  const TemporaryFolder folder, elsewhere;
  write_square(elsewhere / "deep/2.png", 20);
  write_square(folder / "real/1.png", 10);
  fs::create_directory_symlink(folder.path(), folder / "real/round");  // in a circle
  fs::create_directory_symlink(folder / "real", folder / "another_name");
  fs::create_directory_symlink(elsewhere.path(), folder / "linked");
  fs::create_directory_symlink(elsewhere / "deep", folder / "twice");
  fs::create_directory_symlink(folder / "linked", elsewhere / "round");
  fs::create_directory_symlink(elsewhere.path(), folder / ".hidden");
  fs::create_directory_symlink(folder / "nowhere", folder / "broken");
  const auto set = data::load_image_folder(folder.path(), {.resolution = 4});
  CHECK(set.files == std::vector<std::string>{"linked/deep/2.png", "real/1.png"});
  CHECK(set.classes == std::vector<std::string>{"linked", "real"});
}

TEST_CASE("pictures that cannot be read are skipped and named", "[image_folder]") {
  const TemporaryFolder folder;
  write_square(folder / "good.png", 9);
  data::write_file(folder / "bad.jpg", "\xff\xd8 no more");
  const auto set = data::load_image_folder(folder.path(), {.resolution = 4});
  CHECK(set.files == std::vector<std::string>{"good.png"});
  REQUIRE(set.skipped.size() == 1);
  CHECK(set.skipped[0].file == "bad.jpg");
  CHECK_THAT(set.skipped[0].why, Contains("bad.jpg is not a PNG or JPEG image"));
  // An error that is not about reading names the file too: scaled, this one would be 36000 pixels wide.
  data::write_png(folder / "long.png", Tensor::full({1, 9000, 3}, 9, DType::u8, Device::cpu));
  const auto again = data::load_image_folder(folder.path(), {.resolution = 4});
  REQUIRE(again.skipped.size() == 2);
  CHECK_THAT(again.skipped[1].why, Catch::StartsWith((folder.path() / "long.png").string() + ": resize_bilinear: "));
  fs::remove(folder / "long.png");
  fs::remove(folder / "good.png");
  CHECK_THROWS_WITH(data::load_image_folder(folder.path()),
                    Contains("none of the 1 pictures in " + folder.path().string() + " can be read; the first: "));
}

TEST_CASE("a decoded folder comes from the cache until something changes", "[image_folder]") {
  const TemporaryFolder folder, cache;
  for (int i = 0; i < 3; ++i)
    write_square(folder / ("class/" + std::to_string(i) + ".png"), static_cast<uint8_t>(10 + i));
  data::write_file(folder / "class/bad.png", "no picture");
  const auto load = [&](int64_t resolution = 4) {
    return data::load_image_folder(folder.path(), {.resolution = resolution, .cache = cache.path() / "imago"});
  };
  const auto first = load(), second = load();
  CHECK(!first.from_cache);
  CHECK(second.from_cache);
  CHECK(second.dataset.images.to_vector<uint8_t>() == first.dataset.images.to_vector<uint8_t>());
  CHECK(second.dataset.labels.to_vector<uint8_t>() == first.dataset.labels.to_vector<uint8_t>());
  CHECK(second.files == first.files);
  CHECK(second.classes == first.classes);
  REQUIRE(second.skipped.size() == 1);
  CHECK(second.skipped[0].why == first.skipped[0].why);

  CHECK(!load(5).from_cache);  // another choice
  write_square(folder / "class/3.png", 13);
  CHECK(!load().from_cache);  // another file
  CHECK(load().from_cache);
  fs::last_write_time(folder / "class/0.png", fs::file_time_type::clock::now() + std::chrono::seconds(5));
  CHECK(!load().from_cache);  // a file that was touched
  for (const auto& entry : fs::directory_iterator(cache.path() / "imago")) fs::resize_file(entry.path(), 100);
  CHECK(!load().from_cache);  // a damaged cache is made again
  CHECK(load().from_cache);
}

TEST_CASE("a cache that cannot be written is done without", "[image_folder]") {
  const TemporaryFolder folder;
  write_square(folder / "x.png", 1);
  const auto set = data::load_image_folder(folder.path(), {.resolution = 4, .cache = folder / "x.png/cache"});
  CHECK(set.dataset.size() == 1);
}

TEST_CASE("image folders name what is wrong", "[image_folder][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  CHECK_THROWS_WITH(data::load_image_folder(folder / "nowhere"),
                    "image folder: there is no folder " + path + "/nowhere");
  CHECK_THROWS_WITH(data::load_image_folder(folder.path()),
                    "image folder: there is no .jpg, .jpeg or .png file in " + path + " or below it");
  data::write_file(folder / "x.webp", "");
  CHECK_THROWS_WITH(data::load_image_folder(folder.path()),
                    "image folder: there is no .jpg, .jpeg or .png file in " + path + " or below it, only others");
  CHECK_THROWS_WITH(data::load_image_folder(folder.path(), {.resolution = 0}),
                    "image folder: resolution must be from 1 to 4096, got 0");
  CHECK_THROWS_WITH(data::load_image_folder(folder.path(), {.channels = 2}),
                    "image folder: channels must be 1 or 3, got 2");
}
