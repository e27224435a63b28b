#include "data/mnist.h"

#include <string>

#include "data/idx.h"

namespace imago::data {
namespace fs = std::filesystem;
namespace {

const char* prefix_of(MnistPart part) { return part == MnistPart::train ? "train" : "t10k"; }

// "train-images-idx3-ubyte" and its spellings, whichever is there; empty if none is.
fs::path find_file(const fs::path& folder, const std::string& stem, const std::string& kind) {
  for (const char* separator : {"-", "."})
    for (const char* ending : {"", ".gz"}) {
      const fs::path path = folder / (stem + separator + kind + ending);
      std::error_code ignored;
      if (fs::exists(path, ignored)) return path;
    }
  return {};
}
fs::path find_images(const fs::path& folder, MnistPart part) {
  return find_file(folder, concat(prefix_of(part), "-images"), "idx3-ubyte");
}
fs::path find_labels(const fs::path& folder, MnistPart part) {
  return find_file(folder, concat(prefix_of(part), "-labels"), "idx1-ubyte");
}

void require_part(const fs::path& folder, MnistPart part) {
  const auto require = [&](const fs::path& found, const char* rest) {
    const std::string name = (folder / concat(prefix_of(part), rest)).string();
    IMAGO_CHECK(!found.empty(), "mnist: there is no ", name, "(.gz); fetch it with `",
                fetch_mnist_command(folder), "`");
  };
  require(find_images(folder, part), "-images-idx3-ubyte");
  require(find_labels(folder, part), "-labels-idx1-ubyte");
}

}  // namespace

ImageDataset load_mnist(const fs::path& folder, MnistPart part) {
  require_part(folder, part);
  const fs::path images_path = find_images(folder, part), labels_path = find_labels(folder, part);
  const Tensor images = read_idx(images_path), labels = read_idx(labels_path);
  IMAGO_CHECK(images.rank() == 3, "mnist: ", images_path.string(),
              " must hold (N, H, W) images, got ", images.shape());
  IMAGO_CHECK(labels.rank() == 1, "mnist: ", labels_path.string(), " must hold (N) labels, got ",
              labels.shape());
  IMAGO_CHECK(labels.dim(0) == images.dim(0), "mnist: ", labels_path.string(), " must hold ",
              images.dim(0), " labels, one per image, got ", labels.dim(0));
  return {.images = images.reshape({images.dim(0), images.dim(1), images.dim(2), 1}),
          .labels = labels};
}

bool has_mnist(const fs::path& folder) {
  for (const MnistPart part : {MnistPart::train, MnistPart::test})
    if (find_images(folder, part).empty() || find_labels(folder, part).empty()) return false;
  return true;
}

void require_mnist(const fs::path& folder) {
  for (const MnistPart part : {MnistPart::train, MnistPart::test}) require_part(folder, part);
}

std::string fetch_mnist_command(const fs::path& folder) {
  return concat("cmake -DDEST=", folder.string(), " -P scripts/fetch_mnist.cmake");
}

}  // namespace imago::data
