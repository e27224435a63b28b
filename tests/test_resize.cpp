#include "data/resize.h"

#include "tests/golden.h"

using namespace imago;
using namespace imago::test;
using data::Fit;

namespace {

Tensor cpu(const Golden& golden, const std::string& name) { return golden.load(name).to(Device::cpu); }

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<uint8_t>() == b.to_vector<uint8_t>();
}

}  // namespace

TEST_CASE("resized images are those of PIL, byte for byte", "[resize]") {
  const Golden golden("images");
  int count = 0;
  for (; golden.contains("resize." + std::to_string(count) + ".in"); ++count) {
    CAPTURE(count);
    const std::string number = std::to_string(count);
    const Tensor in = cpu(golden, "resize." + number + ".in"), out = cpu(golden, "resize." + number + ".out");
    CHECK(same(data::resize_bilinear(in, out.dim(0), out.dim(1)), out));
    CHECK(same(data::fit_square(in, 8, Fit::crop), cpu(golden, "square." + number + ".out")));
    CHECK(same(data::fit_square(in, 8, Fit::squeeze), data::resize_bilinear(in, 8, 8)));
  }
  CHECK(count == 9);
}

TEST_CASE("a crop is the part that was asked for", "[resize]") {
  const Tensor image = Tensor::from<uint8_t>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {3, 4, 1}, Device::cpu);
  CHECK(data::crop(image, 1, 2, 2, 1).to_vector<int64_t>() == std::vector<int64_t>{6, 10});
  CHECK(same(data::crop(image, 0, 0, 3, 4), image));
}

TEST_CASE("resize names the bad argument", "[resize][errors]") {
  const Tensor image = Tensor::zeros({3, 4, 1}, DType::u8, Device::cpu);
  CHECK_THROWS_WITH(data::resize_bilinear(image, 0, 4),
                    "resize_bilinear: height and width must be from 1 to 16384, got 0 and 4");
  CHECK_THROWS_WITH(data::resize_bilinear(Tensor::zeros({3, 4}, DType::f32, Device::cpu), 1, 1),
                    "resize_bilinear: image must be u8 (H, W, C) with sides of 1 to 16384, got f32 (3, 4)");
  CHECK_THROWS_WITH(data::crop(image, 1, 0, 3, 4), "crop: rows 1 to 4 and columns 0 to 4 are not in (3, 4, 1)");
}
