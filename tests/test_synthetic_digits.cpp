#include <cstring>

#include "core/parallel.h"
#include "data/synthetic_digits.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using data::ImageDataset;
using data::synthetic_digits;

namespace {

constexpr int64_t kPixels = data::kDigitSize * data::kDigitSize;

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace

TEST_CASE("synthetic digits are a pure function of seed and index", "[digits]") {
  const ImageDataset all = synthetic_digits(150, 5);
  CHECK(all.images.shape() == Shape{150, 28, 28, 1});
  const ImageDataset part = synthetic_digits(70, 5, 61);
  CHECK(same_bytes(part.images, all.images.slice(61, 131)));
  CHECK(same_bytes(part.labels, all.labels.slice(61, 131)));
  CHECK_FALSE(same_bytes(all.images, synthetic_digits(150, 6).images));
  const int threads = thread_count();
  set_thread_count(threads == 1 ? 2 : 1);
  CHECK(same_bytes(all.images, synthetic_digits(150, 5).images));
  set_thread_count(threads);
  for (int64_t i = 0; i < 150; ++i) CHECK(all.labels.data<uint8_t>()[i] == i % 10);
  CHECK(synthetic_digits(0).size() == 0);
}

TEST_CASE("synthetic digits are framed like MNIST", "[digits]") {
  const ImageDataset set = synthetic_digits(1000, 1);
  double sum = 0, ink_at_edge = 0;
  for (int64_t n = 0; n < 1000; ++n) {
    const uint8_t* image = set.images.data<uint8_t>() + n * kPixels;
    double mass = 0, x_moment = 0, y_moment = 0;
    int64_t left = 28, right = -1, top = 28, bottom = -1;
    for (int64_t y = 0; y < 28; ++y)
      for (int64_t x = 0; x < 28; ++x) {
        const double v = image[y * 28 + x];
        mass += v, x_moment += v * static_cast<double>(x), y_moment += v * static_cast<double>(y);
        if (x == 0 || y == 0 || x == 27 || y == 27) ink_at_edge += v;
        if (v < 128) continue;
        left = std::min(left, x), right = std::max(right, x), top = std::min(top, y),
        bottom = std::max(bottom, y);
      }
    CAPTURE(n);
    CHECK(x_moment / mass == Approx(13.5).margin(1.2));
    CHECK(y_moment / mass == Approx(13.5).margin(1.2));
    const int64_t extent = std::max(right - left, bottom - top) + 1;
    CHECK((extent >= 18 && extent <= 22));
    sum += mass;
  }
  CHECK(sum / (255.0 * 1000 * kPixels) == Approx(0.13).margin(0.015));  // MNIST: 0.1307
  CHECK(ink_at_edge / sum < 1e-3);
}

TEST_CASE("synthetic digits differ from one another and look like their kind", "[digits]") {
  // The nearest of 2000 images of other indices has the same label nearly always: the classes are
  // apart, and learnable.
  const ImageDataset known = synthetic_digits(2000, 3), asked = synthetic_digits(200, 3, 2000);
  int right = 0;
  double nearest_sum = 0;
  for (int64_t n = 0; n < 200; ++n) {
    const uint8_t* a = asked.images.data<uint8_t>() + n * kPixels;
    int64_t best = INT64_MAX, label = -1;
    for (int64_t m = 0; m < 2000; ++m) {
      const uint8_t* b = known.images.data<uint8_t>() + m * kPixels;
      int64_t distance = 0;
      for (int64_t i = 0; i < kPixels; ++i) distance += (a[i] - b[i]) * (a[i] - b[i]);
      if (distance < best) best = distance, label = m % 10;
    }
    right += label == n % 10;
    nearest_sum += std::sqrt(static_cast<double>(best)) / 255;
  }
  CHECK(right >= 190);
  CHECK(nearest_sum / 200 >
        2);  // and none is a copy: the root of the squared differences of grey levels in [0, 1]
}

TEST_CASE("synthetic digits are the same everywhere", "[digits]") {
  const Tensor images = synthetic_digits(100).images;
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const uint8_t pixel : images.span<uint8_t>()) hash = (hash ^ pixel) * 1099511628211u;
  CHECK(hash == 0x26208867364527c3u);
}

TEST_CASE("synthetic digits name the bad argument", "[digits][errors]") {
  CHECK_THROWS_WITH(synthetic_digits(-1),
                    "synthetic_digits: count and first must be >= 0, got -1 and 0");
  CHECK_THROWS_WITH(synthetic_digits(1, 0, -2),
                    "synthetic_digits: count and first must be >= 0, got 1 and -2");
}
