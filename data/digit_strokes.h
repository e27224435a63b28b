// How the ten digits are written: the paths of the pen, several ways for most of them.
#pragma once

#include <vector>

namespace imago::data {

// The unit square is the digit's box; y points down.
struct Point {
  double x = 0, y = 0;
};

// A smooth curve through the points.
using Stroke = std::vector<Point>;
using Glyph = std::vector<Stroke>;

// The ways to write `digit`, 0 to 9.
const std::vector<Glyph>& digit_glyphs(int digit);

}  // namespace imago::data
