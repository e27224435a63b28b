// MNIST, and every data set that comes in the same four files (Fashion-MNIST, KMNIST, ...).
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace imago::data {

enum class MnistPart { train, test };

// Reads `train-images-idx3-ubyte` and its labels, or the `t10k-` pair, plain or with .gz;
// `-images.idx3-ubyte` is accepted too. A message about a missing file says how to get it.
ImageDataset load_mnist(const std::filesystem::path& folder, MnistPart part);

// Whether all four files are there; throws the message about the first one that is not.
bool has_mnist(const std::filesystem::path& folder);
void require_mnist(const std::filesystem::path& folder);

// The command that downloads the files to `folder`, for people to type.
std::string fetch_mnist_command(const std::filesystem::path& folder);

}  // namespace imago::data
