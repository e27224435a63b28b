#include "core/shape.h"

#include "core/check.h"
#include "tests/support.h"

using namespace imago;

TEST_CASE("a shape knows its extents", "[shape]") {
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.numel() == 24);
  CHECK(s[0] == 2);
  CHECK(s[-1] == 4);
  CHECK(s.axis(-3) == 0);
  CHECK(concat(s) == "(2, 3, 4)");
  CHECK(std::vector<int64_t>(s.begin(), s.end()) == std::vector<int64_t>{2, 3, 4});
  CHECK(s == Shape{2, 3, 4});
  CHECK_FALSE(s == Shape{2, 3});
  CHECK_FALSE(s == Shape{2, 3, 4, 1});
}

TEST_CASE("a scalar has one element, an empty batch none", "[shape]") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.numel() == 1);
  CHECK(concat(Shape{}) == "()");
  CHECK(Shape{0, 5}.numel() == 0);
}

TEST_CASE("shapes with an extent changed", "[shape]") {
  const Shape s{2, 3, 4};
  CHECK(s.with(1, 7) == Shape{2, 7, 4});
  CHECK(s.with(-1, 7) == Shape{2, 3, 7});
  CHECK(s.without(0) == Shape{3, 4});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(s.inserted(0, 9) == Shape{9, 2, 3, 4});
  CHECK(s.inserted(3, 9) == Shape{2, 3, 4, 9});
  CHECK(Shape{5}.without(0) == Shape{});
}

TEST_CASE("shapes name what is wrong", "[shape][errors]") {
  const Shape s{2, 3};
  CHECK_THROWS_WITH((Shape{1, 2, 3, 4, 5, 6, 7}), "Shape: at most 6 extents, got 7");
  CHECK_THROWS_WITH((Shape{2, -3}), "Shape: extents must not be negative, got -3 at axis 1");
  CHECK_THROWS_WITH((Shape{int64_t{1} << 32, int64_t{1} << 32}),
                    "Shape: the number of elements of (4294967296, 4294967296) does not fit 63 bits");
  CHECK_THROWS_WITH(s[2], "Shape: (2, 3) has no axis 2");
  CHECK_THROWS_WITH(s[-3], "Shape: (2, 3) has no axis -3");
  CHECK_THROWS_WITH(s.without(2), "Shape: (2, 3) has no axis 2");
  CHECK_THROWS_WITH(s.inserted(3, 1), "Shape: cannot insert in front of axis 3 of (2, 3)");
  CHECK_THROWS_WITH(Shape{}.without(0), "Shape: () has no axis 0");
}
