#include "data/svg_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "data/atomic_file.h"

namespace imago::data {
namespace {

constexpr const char* kColours[] = {"#1f6feb", "#d1495b", "#2a9d5c",
                                    "#e08e1b", "#7a5195", "#2f8f9d"};
constexpr double kFontSize = 13, kLetter = 6.9;  // pixels, and the width of an average letter
constexpr double kLegendLine = 14;               // length of the sample of a line

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;  // XML has no control characters
    }
  return out;
}

// Data to pixels along one direction.
struct Axis {
  double low = 0, high = 1;  // data
  double from = 0, to = 1;   // pixels
  bool log = false;
  std::vector<double> ticks;

  double operator()(double v) const {
    const double a = log ? std::log10(low) : low, b = log ? std::log10(high) : high;
    return from + (to - from) * ((log ? std::log10(v) : v) - a) / (b - a);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool empty() const { return low > high; }
  void include(double v) { low = std::min(low, v), high = std::max(high, v); }
};

bool drawable(double x, double y, bool log_y) {
  return std::isfinite(x) && std::isfinite(y) && (!log_y || y > 0);
}

Axis make_axis(Range range, bool log, bool round_outwards, int ticks) {
  if (range.empty()) range = log ? Range{0.1, 1} : Range{0, 1};
  Axis axis{.low = range.low, .high = range.high, .log = log, .ticks = {}};
  if (log) {
    const double pad = range.low == range.high ? 2 : std::pow(range.high / range.low, 0.04);
    axis.low = std::max(range.low / pad, std::numeric_limits<double>::min());
    axis.high = std::min(range.high * pad, std::numeric_limits<double>::max());
    axis.ticks = log_ticks(axis.low, axis.high);
    return axis;
  }
  if (range.low == range.high) {
    const double pad = range.low == 0 ? 1 : std::abs(range.low) / 2;
    axis.low -= pad, axis.high += pad;
  }
  axis.ticks = nice_ticks(axis.low, axis.high, ticks);
  if (round_outwards && axis.ticks.size() >= 2) {
    const double step = axis.ticks[1] - axis.ticks[0];
    axis.low = std::floor(axis.low / step + 1e-9) * step;
    axis.high = std::ceil(axis.high / step - 1e-9) * step;
    axis.ticks = nice_ticks(axis.low, axis.high, ticks);
  }
  return axis;
}

struct Pixel {
  double x, y;
};

// The points in pixels. Of those that share a column of pixels only the first, lowest, highest and
// last are kept, so that a picture of a million steps is no larger than one of a thousand.
std::vector<Pixel> visible_points(const std::vector<double>& xs, const std::vector<double>& ys,
                                  const Axis& x_axis, const Axis& y_axis) {
  std::vector<Pixel> out, column;
  const auto flush = [&] {
    if (column.size() > 4) {
      const auto by_y = [](const Pixel& a, const Pixel& b) { return a.y < b.y; };
      const auto [low, high] = std::minmax_element(column.begin(), column.end(), by_y);
      const Pixel first = *std::min(low, high), second = *std::max(low, high), last = column.back();
      column = {column.front(), first, second, last};
    }
    out.insert(out.end(), column.begin(), column.end());
    column.clear();
  };
  for (size_t i = 0; i < xs.size(); ++i) {
    if (!drawable(xs[i], ys[i], y_axis.log)) continue;
    const Pixel p{x_axis(xs[i]), y_axis(ys[i])};
    if (!column.empty() && std::floor(column.front().x) != std::floor(p.x)) flush();
    column.push_back(p);
  }
  flush();
  return out;
}

// Exponential average without a bias towards the start (as Adam corrects its moments).
std::vector<double> smoothed(const std::vector<double>& y, int64_t count) {
  const double keep = 1 - 1.0 / static_cast<double>(count);
  double average = 0, weight = 0;
  std::vector<double> out(y.size(), std::nan(""));
  for (size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i])) continue;
    average = keep * average + (1 - keep) * y[i];
    weight = keep * weight + (1 - keep);
    out[i] = average / weight;
  }
  return out;
}

std::string text(double x, double y, const char* attributes, const std::string& words) {
  if (words.empty()) return "";
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, attributes,
                     escaped(words));
}

std::string curve(const std::vector<Pixel>& points, const char* colour, const char* attributes) {
  if (points.empty()) return "";
  if (points.size() == 1)
    return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", points[0].x,
                       points[0].y, colour);
  std::string list;
  for (const Pixel& p : points)
    list += fmt::format("{}{:.1f},{:.1f}", list.empty() ? "" : " ", p.x, p.y);
  return fmt::format("<polyline points=\"{}\" stroke=\"{}\"{}/>\n", list, colour, attributes);
}

// Names and colours in rows from (left, top) on; returns the y below them.
double legend(const std::vector<PlotSeries>& series, double left, double right, double top,
              std::string& svg) {
  double x = left, y = top;
  for (size_t i = 0; i < series.size(); ++i) {
    const std::string& name = series[i].name;
    if (name.empty()) continue;
    const double width = kLegendLine + 6 + kLetter * static_cast<double>(name.size()) + 18;
    if (x > left && x + width > right) x = left, y += 18;
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}h{}\" stroke=\"{}\" stroke-width=\"3\"/>\n", x,
                       y - 4, kLegendLine, kColours[i % std::size(kColours)]);
    svg += text(x + kLegendLine + 6, y, "", name);
    x += width;
  }
  return x > left ? y + 14 : top;
}

std::string axes(const Axis& x, const Axis& y, const PlotOptions& options) {
  std::string svg = "<g stroke=\"#e3e7ec\">\n";
  for (const double v : y.ticks)
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x.from, y(v), x.to);
  svg += "</g>\n<g stroke=\"#8a94a3\">\n";
  for (const double v : x.ticks)
    svg += fmt::format("<path d=\"M{:.1f} {:.1f}v5\"/>\n", x(v), y.from);
  svg += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n</g>\n", x.from, y.from, x.to);
  svg += "<g fill=\"#4b5563\">\n";
  const std::vector<std::string> x_labels = tick_labels(x.ticks), y_labels = tick_labels(y.ticks);
  for (size_t i = 0; i < x_labels.size(); ++i)
    svg += text(x(x.ticks[i]), y.from + 20, " text-anchor=\"middle\"", x_labels[i]);
  for (size_t i = 0; i < y_labels.size(); ++i)
    svg += text(x.from - 9, y(y.ticks[i]) + 4.5, " text-anchor=\"end\"", y_labels[i]);
  svg += text((x.from + x.to) / 2, y.from + 42, " text-anchor=\"middle\"", options.x_label);
  const double middle = (y.from + y.to) / 2;
  svg += text(
      20, middle,
      fmt::format(" text-anchor=\"middle\" transform=\"rotate(-90 20 {:.1f})\"", middle).c_str(),
      options.y_label);
  return svg + "</g>\n";
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  if (rough < 0 || !std::isnormal(rough)) return {low};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {5.0, 2.0, 1.0})
    if (nice * power >= rough * (1 - 1e-9)) step = nice * power;
  std::vector<double> ticks;
  // Multiples of the step, not sums: 0.1 + 0.2 would not be 0.3.
  const auto first = static_cast<int64_t>(std::ceil(low / step - 1e-9));
  const auto last = static_cast<int64_t>(std::floor(high / step + 1e-9));
  for (int64_t k = first; k <= last; ++k) ticks.push_back(static_cast<double>(k) * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const double decades = std::log10(high) - std::log10(low);
  std::vector<double> ticks;
  const int every = std::max(1, static_cast<int>(decades / 7));
  for (int k = static_cast<int>(std::floor(std::log10(low))); k <= std::ceil(std::log10(high));
       ++k) {
    for (const double m : {1.0, 2.0, 5.0}) {
      const double v = m * std::pow(10, k);
      if (m > 1 ? decades >= 2.5 : k % every != 0) continue;
      if (v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9)) ticks.push_back(v);
    }
  }
  return ticks.size() >= 2 ? ticks : nice_ticks(low, high, 4);
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks) {
  double smallest = std::numeric_limits<double>::infinity(), largest = 0;
  for (const double v : ticks) {
    if (v != 0) smallest = std::min(smallest, std::abs(v));
    largest = std::max(largest, std::abs(v));
  }
  const bool millions = largest >= 1e6 && smallest >= 1e5;
  const bool thousands = largest >= 1e4 && smallest >= 500;
  const double unit = millions ? 1e6 : thousands ? 1e3 : 1;
  const char* suffix = millions ? "M" : thousands ? "k" : "";
  std::vector<std::string> labels;
  for (const double v : ticks)
    labels.push_back(fmt::format("{:.6g}{}", v / unit, v == 0 ? "" : suffix));
  return labels;
}

std::string svg_plot(const std::vector<PlotSeries>& series, const PlotOptions& options) {
  IMAGO_CHECK(options.width >= 200 && options.height >= 150,
              "svg_plot: the size must be at least 200 x 150, got ", options.width, " x ",
              options.height);
  Range x_range, y_range;
  for (const PlotSeries& s : series) {
    IMAGO_CHECK(s.x.size() == s.y.size(), "svg_plot: series \"", s.name,
                "\" must have as many x as y, got ", s.x.size(), " and ", s.y.size());
    IMAGO_CHECK(s.smoothing >= 0, "svg_plot: smoothing must be >= 0, got ", s.smoothing);
    for (size_t i = 0; i < s.x.size(); ++i)
      if (drawable(s.x[i], s.y[i], options.log_y)) x_range.include(s.x[i]), y_range.include(s.y[i]);
  }
  std::string body;
  const double left = 74, right = options.width - 24;
  if (!options.title.empty())
    body += text(left, 30, " font-size=\"16\" font-weight=\"600\" fill=\"#111827\"", options.title);
  const double top = legend(series, left, right, options.title.empty() ? 28 : 54, body);

  Axis x = make_axis(x_range, false, false, std::max(2, options.width / 110));
  Axis y = make_axis(y_range, options.log_y, true, std::max(2, options.height / 80));
  x.from = left, x.to = right, y.from = options.height - 58, y.to = top;
  body += axes(x, y, options);
  body += "<g fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n";
  for (size_t i = 0; i < series.size(); ++i) {
    const PlotSeries& s = series[i];
    const char* colour = kColours[i % std::size(kColours)];
    const std::vector<Pixel> raw = visible_points(s.x, s.y, x, y);
    body += curve(raw, colour, s.smoothing ? " stroke-opacity=\"0.28\"" : " stroke-width=\"2\"");
    if (s.smoothing)
      body += curve(visible_points(s.x, smoothed(s.y, s.smoothing), x, y), colour,
                    " stroke-width=\"2\"");
  }
  body += "</g>\n";
  if (x_range.empty())
    body += text((left + right) / 2, (y.from + y.to) / 2, " text-anchor=\"middle\"", "no data");
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"{2}\">\n"
      "<rect x=\"0.5\" y=\"0.5\" width=\"{3}\" height=\"{4}\" rx=\"8\" fill=\"#ffffff\" "
      "stroke=\"#d5dbe3\"/>\n{5}</svg>\n",
      options.width, options.height, kFontSize, options.width - 1, options.height - 1, body);
}

void write_svg_plot(const std::filesystem::path& path, const std::vector<PlotSeries>& series,
                    const PlotOptions& options) {
  write_file(path, svg_plot(series, options));
}

}  // namespace imago::data
