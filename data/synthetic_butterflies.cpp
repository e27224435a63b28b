// A wing is a region in polar coordinates around the point where it is hinged: at the angle theta, from the axis of the
// body outwards, it reaches to reach(theta). So every point of a wing has two coordinates of its own, both from 0 to 1:
// u along the fan of its veins and r from the hinge to the margin; bands, veins and spots are simple functions of
// these. The picture is symmetric, except that one wing may be held a little higher.
#include "data/synthetic_butterflies.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "core/philox.h"

namespace imago::data {
namespace {

constexpr uint32_t kButterflyStream = 0x62757474;  // "butt"
constexpr uint64_t kNumbersPerImage = 128;
constexpr double kDegree = std::numbers::pi / 180;
constexpr int kSamples = 3;  // a pixel is the mean of kSamples x kSamples points

struct Colour {
  double r, g, b;
};
Colour mix(const Colour& a, const Colour& b, double t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}
// 0 below a, 1 above b, smooth between.
double ramp(double a, double b, double x) {
  const double t = std::clamp((x - a) / (b - a), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

// What the members of a species have in common.
struct Species {
  Colour ground, inner, margin, spot;  // the wing, near the body, the band along the margin, dots
  double margin_width, vein_width;
  int dots;       // in the margin of each wing
  double eye;     // size of an eyespot on the hind wing; 0: none
  double tail;    // how far the hind wing is drawn out
  double stripe;  // width of a pale band across the fore wing; 0: none
};
constexpr std::array<Species, kButterflySpecies> kSpecies = {{
    // orange with black margin and white dots
    {{.92, .47, .10}, {.80, .36, .08}, {.10, .07, .06}, {.97, .95, .90}, .17, .030, 6, 0, 0, 0},
    // blue, thin dark margin
    {{.30, .50, .88}, {.55, .70, .93}, {.10, .12, .28}, {.92, .94, .98}, .10, .012, 0, 0, 0, 0},
    // yellow with tails, black bands and an eye
    {{.95, .84, .34}, {.98, .92, .60}, {.12, .11, .14}, {.35, .50, .80}, .15, .026, 5, .17, .55, 0},
    // black with a red or pale band across
    {{.13, .10, .11}, {.22, .14, .12}, {.07, .06, .07}, {.95, .93, .85}, .12, .010, 0, 0, 0, .17},
    // brown with eyes
    {{.58, .40, .24}, {.48, .31, .18}, {.30, .19, .12}, {.94, .80, .50}, .11, .014, 0, .26, 0, .10},
    // white with grey veins
    {{.95, .95, .91}, {.88, .90, .84}, {.33, .34, .36}, {.25, .26, .28}, .13, .018, 1, 0, 0, 0},
}};
constexpr Colour kStripes[] = {{.88, .22, .13}, {.97, .90, .70}, {.95, .55, .15}};

// One butterfly: its species, and all in which it differs from the others of it.
struct Butterfly {
  const Species* species;
  double scale, x, y, tilt, lift;  // size, place, rotation, and how much higher the right wings are held
  double fore_reach, hind_reach, fore_angle, hind_angle, point, scallop;
  double hue, light;
  Colour paper, stripe;
};

Butterfly butterfly(int64_t image, uint64_t seed) {
  const RandomKey key{.seed = seed, .stream = kButterflyStream};
  uint64_t next = static_cast<uint64_t>(image) * kNumbersPerImage;
  const auto uniform = [&](double low, double high) { return low + (high - low) * uniform_at(key, next++); };
  Butterfly b{};
  b.species = &kSpecies[static_cast<size_t>(image % kButterflySpecies)];
  b.scale = uniform(0.95, 1.12);
  b.x = uniform(-0.05, 0.05), b.y = uniform(-0.12, -0.02);
  b.tilt = uniform(-14, 14) * kDegree, b.lift = uniform(-5, 5) * kDegree;
  b.fore_reach = uniform(0.80, 0.95), b.hind_reach = uniform(0.58, 0.70);
  b.fore_angle = uniform(38, 50) * kDegree, b.hind_angle = uniform(-48, -36) * kDegree;
  b.point = uniform(0.1, 0.9), b.scallop = uniform(0, 0.035);
  b.hue = uniform(-0.07, 0.07), b.light = uniform(-0.08, 0.06);
  const double paper = uniform(0.88, 0.97);
  b.paper = {paper, paper - uniform(0, 0.03), paper - uniform(0, 0.06)};
  b.stripe = kStripes[static_cast<size_t>(uniform(0, std::size(kStripes)))];
  return b;
}

// Where a point lies on a wing; r > 1 is outside.
struct WingPoint {
  double u, r;
};
WingPoint on_wing(double x, double y, double axis, double spread, double reach, double point, double tail,
                  double scallop) {
  const double u = (std::atan2(y, x) - axis) / spread / 2 + 0.5;
  if (u <= 0 || u >= 1) return {u, 2};
  // Full in the middle of the fan and falling to both edges; `point` moves the tip to the leading edge.
  const double hump = std::pow(std::sin(std::numbers::pi * std::pow(u, 1 - 0.45 * point)), 0.42);
  const double lobe = std::exp(-std::pow((u - 0.22) / 0.055, 2));
  const double margin =
      reach * (hump + tail * lobe) * (1 - scallop * (0.5 - 0.5 * std::cos(u * 16 * std::numbers::pi)));
  return {u, std::hypot(x, y) / margin};
}

Colour wing_colour(const Butterfly& b, const WingPoint& p, bool hind) {
  const Species& s = *b.species;
  Colour c = mix(s.inner, s.ground, ramp(0.15, 0.6, p.r));
  if (s.stripe > 0) c = mix(c, b.stripe, (1 - ramp(0.6 * s.stripe, s.stripe, std::abs(p.r - (hind ? 0.72 : 0.60)))));
  constexpr double kVeins = 7;
  const double from_vein = std::abs(p.u * kVeins - std::round(p.u * kVeins)) * p.r;  // veins are even in width
  c = mix(c, s.margin, (1 - ramp(0, kVeins * s.vein_width, from_vein)) * ramp(0.1, 0.35, p.r) * 0.8);
  c = mix(c, s.margin, ramp(1 - 1.25 * s.margin_width, 1 - 0.75 * s.margin_width, p.r));
  if (s.dots > 0) {
    const double across = p.u * s.dots - std::floor(p.u * s.dots) - 0.5, along = (p.r - 1 + 0.5 * s.margin_width);
    const double distance = std::hypot(across / s.dots * 1.6, along);
    c = mix(c, s.spot, 1 - ramp(0.25 * s.margin_width, 0.42 * s.margin_width, distance));
  }
  if (s.eye > 0) {
    const double d = std::hypot((p.u - (hind ? 0.42 : 0.62)) * 1.3, p.r - 0.70) / (hind ? s.eye : 0.75 * s.eye);
    c = mix(c, s.spot, 1 - ramp(0.85, 1.0, d));
    c = mix(c, {.08, .07, .10}, 1 - ramp(0.58, 0.70, d));
    c = mix(c, {.96, .96, .98}, 1 - ramp(0.14, 0.24, d));
  }
  return {std::clamp(c.r + b.light + b.hue, 0.0, 1.0), std::clamp(c.g + b.light, 0.0, 1.0),
          std::clamp(c.b + b.light - b.hue, 0.0, 1.0)};
}

// The colour at a point of the picture, whose sides are from -1 to 1, y upwards.
Colour colour_at(const Butterfly& b, double px, double py) {
  const double cx = (px - b.x) / b.scale, cy = (py - b.y) / b.scale;
  const double X = std::cos(b.tilt) * cx + std::sin(b.tilt) * cy, y = std::cos(b.tilt) * cy - std::sin(b.tilt) * cx;
  const double x = std::abs(X);
  // Body: head, thorax and abdomen, and two antennae.
  const double width = y > 0.12 ? 0.050 : 0.036 + 0.014 * std::cos(3 * y);
  const double body = std::hypot(x / width, std::max(0.0, std::abs(y + 0.06) - 0.30) / 0.06);
  const double antenna = std::abs(x - 0.20 * std::pow(std::max(0.0, y - 0.26) / 0.3, 0.8)) - (y > 0.52 ? 0.024 : 0.011);
  const bool is_antenna = y > 0.27 && y < 0.56 && antenna < 0;
  if (body < 1 || is_antenna) return mix(b.species->margin, {.25, .20, .17}, 0.6);

  const double lift = X > 0 ? b.lift : -b.lift;
  const WingPoint fore = on_wing(x - 0.02, y - 0.10, b.fore_angle + lift, 40 * kDegree, b.fore_reach, b.point, 0, 0);
  if (fore.r < 1) return wing_colour(b, fore, false);
  const WingPoint hind =
      on_wing(x - 0.02, y + 0.02, b.hind_angle + lift, 47 * kDegree, b.hind_reach, 0, b.species->tail, b.scallop);
  if (hind.r < 1) return wing_colour(b, hind, true);
  return b.paper;
}

void draw(const Butterfly& b, int64_t resolution, uint8_t* out) {
  const double pixel = 2.0 / static_cast<double>(resolution);
  for (int64_t i = 0; i < resolution; ++i)
    for (int64_t j = 0; j < resolution; ++j) {
      Colour sum{};
      for (int k = 0; k < kSamples * kSamples; ++k) {
        const int row = k / kSamples, column = k % kSamples;
        const double dy = (row + 0.5) / kSamples, dx = (column + 0.5) / kSamples;
        const Colour c =
            colour_at(b, (static_cast<double>(j) + dx) * pixel - 1, 1 - (static_cast<double>(i) + dy) * pixel);
        sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
      }
      for (const double v : {sum.r, sum.g, sum.b})
        *out++ = static_cast<uint8_t>(std::lround(255 * v / (kSamples * kSamples)));
    }
}

}  // namespace

ImageDataset synthetic_butterflies(int64_t count, int64_t resolution, uint64_t seed, int64_t first) {
  IMAGO_CHECK(count >= 0 && first >= 0, "synthetic_butterflies: count and first must be >= 0, got ", count, " and ",
              first);
  IMAGO_CHECK(resolution >= 8 && resolution <= 1024, "synthetic_butterflies: resolution must be from 8 to 1024, got ",
              resolution);
  ImageDataset out{.images = Tensor({count, resolution, resolution, 3}, DType::u8, Device::cpu),
                   .labels = Tensor({count}, DType::u8, Device::cpu)};
  uint8_t* images = out.images.data<uint8_t>();
  uint8_t* labels = out.labels.data<uint8_t>();
  parallel_for(count, [&](int64_t i) {
    labels[i] = static_cast<uint8_t>((first + i) % kButterflySpecies);
    draw(butterfly(first + i, seed), resolution, images + i * resolution * resolution * 3);
  });
  return out;
}

}  // namespace imago::data
