#include "core/tensor.h"

#include <limits>
#include <map>

#include "core/device_memory.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

const DType kTypes[] = {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64, DType::u8};

Tensor counted(const Shape& shape) {  // 0, 1, 2, ... in f32
  Tensor t(shape);
  float next = 0;
  for (float& x : t.span<float>()) x = next++;
  return t;
}

}  // namespace

TEST_CASE("tensors are made of zeros, one value, or given values", "[tensor]") {
  for (const DType t : kTypes) {
    CAPTURE(name_of(t));
    CHECK(Tensor::zeros({2, 3}, t).to_vector<double>() == std::vector<double>(6, 0));
    CHECK(Tensor::full({2, 3}, 7, t).to_vector<double>() == std::vector<double>(6, 7));
    CHECK(Tensor({2, 3}, t).bytes() == 6 * size_of(t));
  }
  const Tensor x = Tensor::from({1.5, 2.5}, {2, 1});
  CHECK(x.dtype() == DType::f64);
  CHECK(x.shape() == Shape{2, 1});
  CHECK(x.to_vector<float>() == std::vector<float>{1.5f, 2.5f});
}

TEST_CASE("an undefined tensor says so", "[tensor]") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK(none.raw() == nullptr);
  CHECK(none.version() == 0);
  CHECK_FALSE(none.shares_memory_with(none));
  CHECK_THROWS_WITH(none.item(), "Tensor::item: the tensor is undefined");
  CHECK_THROWS_WITH(none.clone(), "Tensor::clone: the tensor is undefined");
  CHECK_THROWS_WITH(none.to_vector<float>(), "Tensor::to_vector: the tensor is undefined");
}

TEST_CASE("memory is aligned to a cache line", "[tensor]") {
  for (const int64_t n : {1, 31, 32, 33, 1000, 100003})
    CHECK(reinterpret_cast<uintptr_t>(Tensor({n}, DType::u8).raw()) % kAlignment == 0);
}

TEST_CASE("copies share memory, clones do not", "[tensor]") {
  Tensor x = counted({4});
  CHECK(x.unique());
  const Tensor copy = x, clone = x.clone();
  CHECK_FALSE(x.unique());
  CHECK(copy.shares_memory_with(x));
  CHECK_FALSE(clone.shares_memory_with(x));
  x.fill(9);
  CHECK(copy.to_vector<float>() == std::vector<float>(4, 9));
  CHECK(clone.to_vector<float>() == std::vector<float>{0, 1, 2, 3});
}

TEST_CASE("reshape sees the same memory", "[tensor]") {
  const Tensor x = counted({2, 3, 4});
  CHECK(x.reshape({6, 4}).shares_memory_with(x));
  CHECK(x.reshape({6, 4}).raw() == x.raw());
  CHECK(x.reshape({4, -1}).shape() == Shape{4, 6});
  CHECK(x.reshape({-1}).shape() == Shape{24});
  CHECK(x.reshape(Shape{24, 1}).shape() == Shape{24, 1});
  CHECK(Tensor({0, 5}).reshape({5, 0}).shape() == Shape{5, 0});
  CHECK(Tensor({0, 5}).reshape({-1, 5}).shape() == Shape{0, 5});
  CHECK(Tensor({1}).reshape({}).shape() == Shape{});
}

TEST_CASE("slices and views see a part of the memory", "[tensor]") {
  Tensor x = counted({4, 3});
  Tensor rows = x.slice(1, 3);
  CHECK(rows.shape() == Shape{2, 3});
  CHECK(rows.to_vector<float>() == std::vector<float>{3, 4, 5, 6, 7, 8});
  CHECK(rows.slice(1, 2).to_vector<float>() == std::vector<float>{6, 7, 8});
  CHECK(x.slice(4, 4).numel() == 0);
  CHECK(x.view(5, {2, 2}).to_vector<float>() == std::vector<float>{5, 6, 7, 8});
  CHECK(rows.view(1, {2}).to_vector<float>() == std::vector<float>{4, 5});
  rows.fill(-1);
  CHECK(x.to_vector<float>() == std::vector<float>{0, 1, 2, -1, -1, -1, -1, -1, -1, 9, 10, 11});
  CHECK(rows.clone().shape() == Shape{2, 3});
}

TEST_CASE("conversion between any two types", "[tensor]") {
  for (const DType from : kTypes)
    for (const DType to : kTypes) {
      CAPTURE(name_of(from), name_of(to));
      const Tensor x = counted({5}).to(from), y = x.to(to);
      CHECK(y.dtype() == to);
      CHECK(y.to_vector<double>() == std::vector<double>{0, 1, 2, 3, 4});
      CHECK(y.shares_memory_with(x) == (from == to));
    }
  CHECK(Tensor::from({2.9, -2.9}, {2}).to(DType::i64).to_vector<int64_t>() ==
        std::vector<int64_t>{2, -2});
  CHECK(Tensor::from({257.f}, {1}).to(DType::bf16).item() ==
        256);  // 8 significant bits: a tie, to even
}

TEST_CASE("what an integer type does not have becomes its nearest limit, NaN becomes 0",
          "[tensor]") {
  const double inf = INFINITY;
  const std::vector<double> x = {NAN, inf,    -inf,    1e300,     -1e300, 255.9,  256,    -0.9,
                                 -1,  0x1p31, -0x1p31, -0x1.8p31, 0x1p63, 0x1p62, -0x1p63};
  const int64_t most = std::numeric_limits<int64_t>::max(),
                least = std::numeric_limits<int64_t>::min(), most32 = 0x7fffffff,
                least32 = -0x80000000LL, p31 = 0x80000000LL, p62 = int64_t{1} << 62;
  using Values = std::vector<int64_t>;
  const std::map<DType, Values> expected = {
      {DType::u8, {0, 255, 0, 255, 0, 255, 255, 0, 0, 255, 0, 0, 255, 255, 0}},
      {DType::i32,
       {0, most32, least32, most32, least32, 255, 256, 0, -1, most32, least32, least32, most32,
        most32, least32}},
      {DType::i64,
       {0, most, least, most, least, 255, 256, 0, -1, p31, -p31, -p31 - p31 / 2, most, p62,
        least}}};
  const Tensor values = Tensor::from<double>(x, {15});
  for (const auto& [dtype, want] : expected) {
    CAPTURE(name_of(dtype));
    CHECK(values.to(dtype).to_vector<int64_t>() == want);
    for (size_t i = 0; i < x.size(); ++i)
      CHECK(Tensor::full({1}, x[i], dtype).to_vector<int64_t>() == Values{want[i]});
  }
  CHECK(Tensor::from<float>({NAN, -1e30f, 300}, {3}).to(DType::u8).to_vector<int64_t>() ==
        Values{0, 0, 255});
}

TEST_CASE("in-place writes raise the version of everything that shares the memory", "[tensor]") {
  Tensor x = counted({4, 2});
  const Tensor view = x.slice(1, 2), other = x.clone();
  const uint64_t before = x.version();
  x.fill(1);
  CHECK(x.version() == before + 1);
  CHECK(view.version() == before + 1);
  x.copy_from(other);
  CHECK(view.version() == before + 2);
  CHECK(other.version() == 0);
  x.slice(0, 1).bump_version();
  CHECK(x.version() == before + 3);
}

TEST_CASE("copy_from converts and copes with itself", "[tensor]") {
  Tensor x({2, 2}, DType::f64);
  x.copy_from(Tensor::from({1.f, 2.f, 3.f, 4.f}, {2, 2}));
  CHECK(x.to_vector<double>() == std::vector<double>{1, 2, 3, 4});
  x.copy_from(x);
  CHECK(x.to_vector<double>() == std::vector<double>{1, 2, 3, 4});
  Tensor empty({0, 3});
  empty.copy_from(Tensor({0, 3}, DType::f64));
}

TEST_CASE("tensors move between the devices that this build has", "[tensor][device]") {
  const DeviceScope on_cpu(Device::cpu);
  const Tensor x = counted({2, 3});
  for (const Device device : {Device::cpu, Device::simt}) {
    if (!has_device(device)) {
      CHECK_THROWS_WITH(x.to(device), "this build of imago has no device simt");
      CHECK_THROWS_WITH(set_default_device(device), "this build of imago has no device simt");
      continue;
    }
    const Tensor there = x.to(device);
    CHECK(there.device() == device);
    CHECK(there.shares_memory_with(x) == (device == Device::cpu));
    CHECK(there.to_vector<float>() == x.to_vector<float>());
    CHECK(there.to(DType::f64).device() == device);
    Tensor back({2, 3}, DType::bf16);  // over devices and types in one go
    back.copy_from(there);
    CHECK(back.to_vector<float>() == x.to_vector<float>());
    const DeviceScope scope(device);
    CHECK(Tensor({2}).device() == device);
    CHECK(Tensor::zeros({2}).device() == device);
    CHECK(Tensor::from({1.f, 2.f}, {2}).device() == device);
    CHECK(imago::randn({4}, {.seed = 1}).device() == device);
  }
}

TEST_CASE("tensors name what is wrong", "[tensor][errors]") {
  const Tensor x = counted({2, 3});
  CHECK_THROWS_WITH(x.data<double>(), "Tensor::data: tensor holds f32, asked for f64");
  CHECK_THROWS_WITH(x.item(), "Tensor::item: tensor must have one element, got shape (2, 3)");
  CHECK_THROWS_WITH(Tensor::from({1.f, 2.f}, {3}), "Tensor::from: shape (3) has 3 elements, got 2 values");
  CHECK_THROWS_WITH(x.reshape({4, 2}), "reshape: (2, 3) has 6 elements, (4, 2) has 8");
  CHECK_THROWS_WITH(x.reshape({-1, -1}), "reshape: only one extent may be -1");
  CHECK_THROWS_WITH(x.reshape({4, -1}),
                    "reshape: cannot infer -1 for the 6 elements of (2, 3): the other extents multiply to 4");
  CHECK_THROWS_WITH(x.reshape({0, -1}),
                    "reshape: cannot infer -1 for the 6 elements of (2, 3): the other extents multiply to 0");
  CHECK_THROWS_WITH(x.reshape({-2, 3}), "Shape: extents must not be negative, got -2 at axis 0");
  CHECK_THROWS_WITH(x.slice(1, 3), "slice: rows [1, 3) are not in (2, 3)");
  CHECK_THROWS_WITH(x.slice(-1, 1), "slice: rows [-1, 1) are not in (2, 3)");
  CHECK_THROWS_WITH(Tensor(Shape{}).slice(0, 1), "slice: a scalar has no rows");
  CHECK_THROWS_WITH(x.view(3, {2, 2}), "view: (2, 2) from element 3 on is not in (2, 3)");
  CHECK_THROWS_WITH(x.clone().copy_from(Tensor({3, 2})), "Tensor::copy_from: shape must be (2, 3), got (3, 2)");
  CHECK_THROWS_WITH(Tensor({int64_t{1} << 60, 4}, DType::f64),
                    "Tensor: (1152921504606846976, 4) of f64 does not fit in any memory");
}
