// Butterflies, drawn on the fly: colour pictures for whoever has no folder of pictures at hand.
#pragma once

#include <cstdint>

#include "data/dataset.h"

namespace imago::data {

inline constexpr int64_t kButterflySpecies = 6;

// Images `first` .. first + count - 1 of the endless set that `seed` names: (count, resolution, resolution, 3), a
// spread butterfly on a light ground. Image i is a pure function of (seed, i), whatever the resolution, and shows
// species i % 6, its label; no two of a species are alike. Throws unless the resolution is from 8 to 1024.
ImageDataset synthetic_butterflies(int64_t count, int64_t resolution, uint64_t seed = 0, int64_t first = 0);

}  // namespace imago::data
