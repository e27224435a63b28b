// Line charts as SVG text: loss curves, noise schedules.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace imago::data {

struct PlotSeries {
  std::string name = "";  // for the legend; "" leaves it out
  std::vector<double> x = {}, y = {};
  // 0 draws the points as they are. n draws them faintly, and over them an exponential average of
  // about n points.
  int64_t smoothing = 0;
};

struct PlotOptions {
  std::string title = "", x_label = "", y_label = "";
  bool log_y = false;
  int width = 760, height = 440;
};

// A chart on a card of its own, so that it reads well on white and on dark pages. Points that are
// not finite, or not positive on a log axis, are skipped.
std::string svg_plot(const std::vector<PlotSeries>& series, const PlotOptions& options = {});
void write_svg_plot(const std::filesystem::path& path, const std::vector<PlotSeries>& series,
                    const PlotOptions& options = {});

// Round numbers in [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);
// The same for a log axis: powers of ten, with their doubles and fives where there are few.
std::vector<double> log_ticks(double low, double high);
// "0.02", "1e-05"; "0", "5k", "10k" where all are large.
std::vector<std::string> tick_labels(const std::vector<double>& ticks);

}  // namespace imago::data
