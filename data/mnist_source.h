// Where a program takes its digits from: what `--data auto|mnist|synthetic|FOLDER` means.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "data/mnist.h"

namespace imago::data {

// Downloads MNIST to the folder; whether that worked.
using FetchMnist = std::function<bool(const std::filesystem::path& folder)>;

// One that runs `cmake -P script`; empty where there is no such script. The script's progress goes
// to standard error. Throws if Ctrl-C ends it: whoever stops a download wants nothing in its place.
FetchMnist fetch_mnist_by(const std::filesystem::path& script);

struct MnistSource {
  bool synthetic = false;
  std::filesystem::path folder = {};  // of the four files, if not synthetic
  std::string sentence = "";          // what was chosen and why, for the program to print

  // The synthetic set has 20000 training and 2000 test images.
  ImageDataset load(MnistPart part) const;
};

// What `choice` stands for:
// - "auto": MNIST from $IMAGO_DATA_DIR/mnist or data/mnist, else downloaded to data/mnist, else the
//   synthetic digits
// - "mnist": the same, but throws instead of falling back
// - "synthetic": the synthetic digits
// - any other: the folder of that name; throws if one of the four files is not there
MnistSource find_mnist(const std::string& choice, const FetchMnist& fetch = {});

}  // namespace imago::data
