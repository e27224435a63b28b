#include "data/input_file.h"
#include "data/svg_plot.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using data::svg_plot;

namespace {

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// The coordinates of the polyline number `index`.
std::vector<std::pair<double, double>> polyline(const std::string& svg, int index) {
  size_t at = 0;
  for (int i = 0; i <= index; ++i) at = svg.find("<polyline points=\"", at + 1);
  std::istringstream in(svg.substr(at + 18, svg.find('"', at + 18) - at - 18));
  std::vector<std::pair<double, double>> points;
  double x = 0, y = 0;
  for (char comma = 0; in >> x >> comma >> y;) points.emplace_back(x, y);
  return points;
}

}  // namespace

TEST_CASE("nice ticks are round numbers inside the range", "[svg]") {
  CHECK(data::nice_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(data::nice_ticks(-3, 17, 4) == std::vector<double>{0, 5, 10, 15});
  CHECK(data::nice_ticks(0, 19999, 6) == std::vector<double>{0, 5000, 10000, 15000});
  CHECK(data::nice_ticks(2e-5, 9e-5, 4) ==
        std::vector<double>{2e-5, 4e-5, 6.000000000000001e-5, 8e-5});
  CHECK(data::nice_ticks(5, 5, 5) == std::vector<double>{5});
  for (const double high : {1e-7, 0.3, 0.99, 7.0, 123.0, 5e8}) {
    const std::vector<double> ticks = data::nice_ticks(0, high, 6);
    CHECK((ticks.size() >= 3 && ticks.size() <= 8));
    CHECK(ticks.back() <= high * (1 + 1e-9));
  }
  CHECK(data::log_ticks(0.009, 2) == std::vector<double>{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2});
  CHECK(data::log_ticks(0.9e-6, 1.1e2).size() == 9);
  CHECK(data::log_ticks(1.01, 1.04).size() >= 2);  // no decade in there
  CHECK(data::log_ticks(1e-300, 1e300).size() < 12);
}

TEST_CASE("tick labels are short and of one kind", "[svg]") {
  using Labels = std::vector<std::string>;
  CHECK(data::tick_labels({0, 0.2, 0.6000000000000001}) == Labels{"0", "0.2", "0.6"});
  CHECK(data::tick_labels({0, 5000, 10000}) == Labels{"0", "5k", "10k"});
  CHECK(data::tick_labels({0, 500, 1000}) == Labels{"0", "500", "1000"});
  CHECK(data::tick_labels({-500000, 0, 1000000}) == Labels{"-0.5M", "0", "1M"});
  CHECK(data::tick_labels({1e-5, 1e5}) == Labels{"1e-05", "100000"});
  CHECK(data::tick_labels({}).empty());
}

TEST_CASE("a plot draws its points where the axes say", "[svg]") {
  const std::string svg =
      svg_plot({{.name = "a", .x = {0, 5, 10}, .y = {0, 1, 4}}}, {.width = 760, .height = 440});
  const auto points = polyline(svg, 0);
  REQUIRE(points.size() == 3);
  CHECK(points[0].first == Approx(74));   // the left end of the axis
  CHECK(points[2].first == Approx(736));  // the right end
  CHECK(points[1].first == Approx(405));
  CHECK(points[0].second == Approx(382));  // the bottom
  CHECK(points[1].second - points[0].second ==
        Approx((points[2].second - points[0].second) / 4).margin(0.2));
  CHECK(count(svg, "<polyline") == 1);
  CHECK(svg.substr(0, 5) == "<svg ");
  CHECK(svg.substr(svg.size() - 7) == "</svg>\n");
}

TEST_CASE("a log axis spaces decades evenly and skips what is not positive", "[svg]") {
  const std::string svg =
      svg_plot({{.name = "", .x = {0, 1, 2, 3, 4}, .y = {100, 1, 0, -1, 0.01}}}, {.log_y = true});
  const auto points = polyline(svg, 0);
  REQUIRE(points.size() == 3);
  CHECK(points[1].second - points[0].second ==
        Approx(points[2].second - points[1].second).margin(0.2));
  CHECK(count(svg, ">100<") == 1);
  CHECK(count(svg, ">0.01<") == 1);
}

TEST_CASE("points that are not finite are skipped", "[svg]") {
  const std::string svg = svg_plot(
      {{.name = "", .x = {0, 1, NAN, 3, 4}, .y = {1, NAN, 2, INFINITY, 2}, .smoothing = 2}});
  CHECK(polyline(svg, 0).size() == 2);
  CHECK(polyline(svg, 1).size() == 2);
  CHECK(svg.find("nan") == svg.npos);
  CHECK(svg.find("inf") == svg.npos);
}

TEST_CASE("smoothing draws a calm line over a faint one", "[svg]") {
  data::PlotSeries noisy{.name = "loss", .smoothing = 20};
  for (int i = 0; i < 200; ++i) noisy.x.push_back(i), noisy.y.push_back(i % 2 ? 3 : 1);
  const std::string svg = svg_plot({noisy});
  CHECK(count(svg, "<polyline") == 2);
  CHECK(count(svg, "stroke-opacity=\"0.28\"") == 1);
  const auto swing = [](const std::vector<std::pair<double, double>>& points) {
    double low = 1e9, high = -1e9;
    for (size_t i = points.size() / 2; i < points.size(); ++i)
      low = std::min(low, points[i].second), high = std::max(high, points[i].second);
    return high - low;
  };
  CHECK(swing(polyline(svg, 1)) < 0.1 * swing(polyline(svg, 0)));
  CHECK(polyline(svg, 0)[0] ==
        polyline(svg, 1)[0]);  // the average starts at the first point, not at zero
}

TEST_CASE("a million points make a small picture that keeps its peaks", "[svg]") {
  data::PlotSeries s{};
  for (int i = 0; i < 1000000; ++i) s.x.push_back(i), s.y.push_back(i == 345678 ? 10 : i % 7 * 0.1);
  const std::string svg = svg_plot({s});
  const auto points = polyline(svg, 0);
  CHECK(points.size() < 2800);
  double top = 1e9;
  for (const auto& p : points) top = std::min(top, p.second);
  CHECK(top == Approx(28));  // the peak reaches the top of the chart
}

TEST_CASE("text is escaped", "[svg]") {
  const std::string svg =
      svg_plot({{.name = "<b>&\"'\n", .x = {0, 1}, .y = {0, 1}}}, {.title = "a < b & c"});
  CHECK(count(svg, ">&lt;b&gt;&amp;&quot;&apos; </text>") == 1);
  CHECK(count(svg, ">a &lt; b &amp; c</text>") == 1);
}

TEST_CASE("empty and constant data make charts too", "[svg]") {
  CHECK(count(svg_plot({}), ">no data</text>") == 1);
  CHECK(count(svg_plot({{.name = "a", .x = {NAN}, .y = {1}}}), ">no data</text>") == 1);
  CHECK(count(svg_plot({}, {.log_y = true}), ">no data</text>") == 1);
  for (const bool log : {false, true})
    for (const double y : {5.0, 1e-12, 1e300}) {
      const std::string svg = svg_plot({{.name = "", .x = {2}, .y = {y}}}, {.log_y = log});
      CHECK(count(svg, "<circle") == 1);
      CHECK(svg.find("nan") == svg.npos);
      CHECK(svg.find("inf") == svg.npos);
    }
}

TEST_CASE("a plot is written whole, and names the bad argument", "[svg][errors]") {
  const TemporaryFolder folder;
  const data::PlotSeries s{.name = "a", .x = {0, 1}, .y = {0, 1}};
  data::write_svg_plot(folder / "x.svg", {s}, {.title = "t"});
  CHECK(data::read_file(folder / "x.svg") == svg_plot({s}, {.title = "t"}));
  CHECK(folder.entries() == 1);
  CHECK_THROWS_WITH(svg_plot({{.name = "a", .x = {0, 1}, .y = {0}}}),
                    "svg_plot: series \"a\" must have as many x as y, got 2 and 1");
  CHECK_THROWS_WITH(svg_plot({s}, {.width = 100}),
                    "svg_plot: the size must be at least 200 x 150, got 100 x 440");
  CHECK_THROWS_WITH(svg_plot({{.name = "a", .x = {}, .y = {}, .smoothing = -1}}),
                    "svg_plot: smoothing must be >= 0, got -1");
}
