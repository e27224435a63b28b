#include "data/synthetic_butterflies.h"

#include "core/parallel.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using data::synthetic_butterflies;

namespace {

std::vector<double> picture(const data::ImageDataset& set, int64_t i) {
  return set.images.slice(i, i + 1).to_vector<double>();
}

}  // namespace

TEST_CASE("a synthetic butterfly is a function of the seed and its number", "[butterflies]") {
  const auto all = synthetic_butterflies(12, 16, 3), part = synthetic_butterflies(5, 16, 3, 7);
  CHECK(all.images.shape() == Shape{12, 16, 16, 3});
  CHECK(all.labels.to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5});
  CHECK(part.labels.to_vector<int64_t>() == std::vector<int64_t>{1, 2, 3, 4, 5});
  for (int64_t i = 0; i < 5; ++i) CHECK(picture(part, i) == picture(all, 7 + i));
  CHECK(picture(all, 0) != picture(all, 6));  // no two of a species are alike
  CHECK(picture(synthetic_butterflies(1, 16, 4), 0) != picture(all, 0));
}

TEST_CASE("synthetic butterflies stand on light ground and fill a fair part of the picture", "[butterflies]") {
  const int64_t side = 32;
  const auto set = synthetic_butterflies(4 * data::kButterflySpecies, side);
  for (int64_t i = 0; i < set.size(); ++i) {
    CAPTURE(i);
    const std::vector<double> x = picture(set, i);
    int covered = 0;
    for (int64_t p = 0; p < side * side; ++p) {
      double gap = 0;  // from the corner's colour
      for (int64_t c = 0; c < 3; ++c) gap += std::abs(x[static_cast<size_t>(3 * p + c)] - x[static_cast<size_t>(c)]);
      covered += gap > 24;
    }
    CHECK(x[0] > 200);
    CHECK(covered > side * side / 6);
    CHECK(covered < side * side * 3 / 4);
  }
}

TEST_CASE("a larger picture shows the same butterfly", "[butterflies]") {
  const auto small = picture(synthetic_butterflies(1, 16), 0), large = picture(synthetic_butterflies(1, 64), 0);
  double gap = 0;
  for (int64_t y = 0; y < 16; ++y)
    for (int64_t x = 0; x < 16; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        double mean = 0;
        for (int64_t k = 0; k < 16; ++k)
          mean += large[static_cast<size_t>(((4 * y + k / 4) * 64 + 4 * x + k % 4) * 3 + c)] / 16;
        gap += std::abs(mean - small[static_cast<size_t>((y * 16 + x) * 3 + c)]) / (16 * 16 * 3);
      }
  CHECK(gap < 12);
}

TEST_CASE("synthetic butterflies name the bad argument", "[butterflies][errors]") {
  CHECK_THROWS_WITH(synthetic_butterflies(-1, 16), "synthetic_butterflies: count and first must be >= 0, got -1 and 0");
  CHECK_THROWS_WITH(synthetic_butterflies(1, 4), "synthetic_butterflies: resolution must be from 8 to 1024, got 4");
}
