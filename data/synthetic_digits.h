// Handwritten-looking digits, drawn on the fly: a stand-in for MNIST that needs no download and no
// licence.
#pragma once

#include <cstdint>

#include "data/dataset.h"

namespace imago::data {

inline constexpr int64_t kDigitSize = 28;

// Images `first` .. first + count - 1 of the endless set that `seed` names: (count, 28, 28, 1),
// white on black, framed like MNIST. Image i is a pure function of (seed, i) and shows the digit i
// % 10.
ImageDataset synthetic_digits(int64_t count, uint64_t seed = 0, int64_t first = 0);

}  // namespace imago::data
