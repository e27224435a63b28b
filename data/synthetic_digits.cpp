// A digit is drawn the way it is written: a glyph's control points are moved a little, a smooth
// curve goes through them, the curve is slanted, rotated, squeezed and wobbled, framed like MNIST,
// and a pen of some width follows it.
#include "data/synthetic_digits.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "core/philox.h"
#include "data/digit_strokes.h"

namespace imago::data {
namespace {

constexpr uint32_t kDigitStream = 0x64696769;  // "digi"
constexpr uint64_t kNumbersPerImage = 128;     // a glyph has at most 17 points of two coordinates
constexpr int kStepsPerSpan = 6;
constexpr double kBox = 20,
                 kCentre =
                     kDigitSize / 2.0;  // MNIST: fitted into 20 x 20, centre of mass in the middle

// The random numbers of one image, one after the other.
class Numbers {
 public:
  Numbers(uint64_t seed, uint64_t image)
      : key_{.seed = seed, .stream = kDigitStream}, next_(image * kNumbersPerImage) {}
  double uniform(double low, double high) { return low + (high - low) * uniform_at(key_, next_++); }
  double normal(double stddev) {
    next_ += next_ % 2;
    const double z = normal_at(key_, next_);
    next_ += 2;
    return stddev * std::clamp(z, -2.5, 2.5);
  }

 private:
  RandomKey key_;
  uint64_t next_;
};

// The uniform Catmull-Rom curve through the points, as a polyline.
Stroke smooth(const Stroke& points) {
  const auto at = [&](size_t i, int offset) {
    const auto last = static_cast<int>(points.size()) - 1;
    return points[static_cast<size_t>(std::clamp(static_cast<int>(i) + offset, 0, last))];
  };
  const auto spline = [](double a, double b, double c, double d, double t) {
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  };
  Stroke curve = {points.front()};
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    const Point a = at(i, -1), b = at(i, 0), c = at(i, 1), d = at(i, 2);
    for (int step = 1; step <= kStepsPerSpan; ++step) {
      const double t = static_cast<double>(step) / kStepsPerSpan;
      curve.push_back({spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)});
    }
  }
  return curve;
}

// Moves the control points, each on its own; strokes that meet in a corner still meet.
Glyph jitter(Glyph glyph, Numbers& numbers) {
  const double amount = numbers.uniform(0.006, 0.042);
  const Point* corner = nullptr;
  Point before;
  for (Stroke& stroke : glyph)
    for (Point& p : stroke) {
      const Point was = p;
      if (corner && was.x == before.x && was.y == before.y && &p == stroke.data())
        p = *corner;
      else
        p = {p.x + numbers.normal(amount), p.y + numbers.normal(amount)};
      corner = &p;
      before = was;
    }
  return glyph;
}

// The movements of the hand: squeeze, slant, rotation, and two slow waves.
void deform(Glyph& curves, Numbers& numbers) {
  const double aspect = numbers.uniform(0.56, 1.12), slant = 0.16 + numbers.normal(0.2),
               angle = numbers.normal(0.09);
  const double c = std::cos(angle), s = std::sin(angle), two_pi = 2 * std::numbers::pi;
  struct Wave {
    double fx, fy, phase, ax, ay;
  } waves[2];
  for (Wave& w : waves)
    w = {numbers.uniform(-0.8, 0.8), numbers.uniform(-0.8, 0.8), numbers.uniform(0, two_pi),
         numbers.normal(0.045), numbers.normal(0.045)};
  for (Stroke& stroke : curves)
    for (Point& p : stroke) {
      Point q = p;
      for (const Wave& w : waves) {
        const double wave = std::sin(two_pi * (w.fx * p.x + w.fy * p.y) + w.phase);
        q.x += w.ax * wave;
        q.y += w.ay * wave;
      }
      const double x = (q.x - 0.5) * aspect - slant * (q.y - 0.5), y = q.y - 0.5;
      p = {c * x - s * y, s * x + c * y};
    }
}

// Scales the curves so that they and the pen fit the box, and moves their centre of mass to the
// middle of the image.
void frame(Glyph& curves, double radius) {
  Point low{1e9, 1e9}, high{-1e9, -1e9};
  Point moment;
  double mass = 0;
  for (const Stroke& stroke : curves)
    for (size_t i = 0; i < stroke.size(); ++i) {
      const Point p = stroke[i];
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
      if (i == 0) continue;
      const Point q = stroke[i - 1];
      const double length = std::hypot(p.x - q.x, p.y - q.y);
      mass += length;
      moment = {moment.x + length * (p.x + q.x) / 2, moment.y + length * (p.y + q.y) / 2};
    }
  const double scale = (kBox - 2 * radius) / std::max(high.x - low.x, high.y - low.y);
  const Point centre = {moment.x / mass, moment.y / mass};
  // No further than one pixel from the edge of the image, whatever the mass says.
  const auto shift = [&](double middle, double lowest, double highest) {
    const double margin = radius + 1, wanted = kCentre - middle * scale;
    return std::clamp(wanted, margin - lowest * scale, kDigitSize - margin - highest * scale);
  };
  const double dx = shift(centre.x, low.x, high.x), dy = shift(centre.y, low.y, high.y);
  for (Stroke& stroke : curves)
    for (Point& p : stroke) p = {p.x * scale + dx, p.y * scale + dy};
}

// The distance of points from one segment.
class Segment {
 public:
  Segment(Point a, Point b)
      : a_(a), ux_(b.x - a.x), uy_(b.y - a.y), scale_(1 / std::max(ux_ * ux_ + uy_ * uy_, 1e-12)) {}
  double distance(double x, double y) const {
    const double dx = x - a_.x, dy = y - a_.y;
    const double t = std::clamp((dx * ux_ + dy * uy_) * scale_, 0.0, 1.0);
    const double ex = dx - t * ux_, ey = dy - t * uy_;
    return std::sqrt(ex * ex + ey * ey);
  }

 private:
  Point a_;
  double ux_, uy_, scale_;
};

// Ink where the pen was: full within its radius, fading over `softness` pixels around it.
void draw(const Glyph& curves, double radius, double pressure, double softness, double ink,
          uint8_t* image) {
  double cover[kDigitSize * kDigitSize] = {};
  const double sharpness = 1 / softness;
  for (const Stroke& stroke : curves)
    for (size_t i = 1; i < stroke.size(); ++i) {
      const Point a = stroke[i - 1], b = stroke[i];
      const Segment segment(a, b);
      const double travelled = static_cast<double>(i) / static_cast<double>(stroke.size());
      const double r = radius * (1 + pressure * (travelled - 0.5)), reach = r + softness / 2;
      // Pixels whose centre, half a pixel further, can be within reach.
      const auto first = [&](double low) {
        return std::max<int64_t>(0, static_cast<int64_t>(low - reach));
      };
      const auto last = [&](double high) {
        return std::min<int64_t>(kDigitSize - 1, static_cast<int64_t>(high + reach));
      };
      for (int64_t y = first(std::min(a.y, b.y)); y <= last(std::max(a.y, b.y)); ++y)
        for (int64_t x = first(std::min(a.x, b.x)); x <= last(std::max(a.x, b.x)); ++x) {
          const double d =
              segment.distance(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
          double& c = cover[y * kDigitSize + x];
          c = std::max(c, (r - d) * sharpness + 0.5);
        }
    }
  for (int64_t i = 0; i < kDigitSize * kDigitSize; ++i) {
    const double c = std::min(cover[i], 1.0);
    image[i] = static_cast<uint8_t>(std::lround(255 * ink * c * c * (3 - 2 * c)));
  }
}

void draw_digit(int digit, uint64_t seed, uint64_t image, uint8_t* out) {
  Numbers numbers(seed, image);
  const std::vector<Glyph>& ways = digit_glyphs(digit);
  const auto way = static_cast<size_t>(numbers.uniform(0, static_cast<double>(ways.size())));
  const double radius = numbers.uniform(0.85, 1.75), pressure = numbers.normal(0.18);
  const double softness = numbers.uniform(1.1, 1.7), ink = numbers.uniform(0.9, 1.0);
  Glyph curves = jitter(ways[way], numbers);
  for (Stroke& stroke : curves) stroke = smooth(stroke);
  deform(curves, numbers);
  frame(curves, radius);
  draw(curves, radius, pressure, softness, ink, out);
}

}  // namespace

ImageDataset synthetic_digits(int64_t count, uint64_t seed, int64_t first) {
  IMAGO_CHECK(count >= 0 && first >= 0, "synthetic_digits: count and first must be >= 0, got ",
              count, " and ", first);
  ImageDataset out{.images = Tensor::zeros({count, kDigitSize, kDigitSize, 1}, DType::u8, Device::cpu),
                   .labels = Tensor({count}, DType::u8, Device::cpu)};
  uint8_t* images = out.images.data<uint8_t>();
  uint8_t* labels = out.labels.data<uint8_t>();
  parallel_chunks(count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = first + i;
      labels[i] = static_cast<uint8_t>(image % 10);
      draw_digit(labels[i], seed, static_cast<uint64_t>(image),
                 images + i * kDigitSize * kDigitSize);
    }
  });
  return out;
}

}  // namespace imago::data
