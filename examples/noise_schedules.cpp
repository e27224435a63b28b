// What the noise schedules do: draws alpha_bar_t, the part of an image's variance that is left at
// time step t, for every schedule, and a row of increasingly noisy copies of one image for each.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "core/random.h"
#include "data/image_file.h"
#include "data/svg_plot.h"
#include "data/synthetic_digits.h"
#include "diffusion/ddpm.h"
#include "examples/program/command_line.h"
#include "examples/program/pictures.h"

using namespace imago;
namespace fs = std::filesystem;

namespace {

using diffusion::BetaSchedule;
const BetaSchedule kSchedules[] = {BetaSchedule::linear, BetaSchedule::scaled_linear,
                                   BetaSchedule::squaredcos_cap_v2, BetaSchedule::sigmoid,
                                   BetaSchedule::laplace};

// The picture, in [-1, 1], (1, H, W, C): a file, or a digit.
Tensor load_picture(const std::string& path) {
  const Tensor bytes =
      path.empty() ? data::synthetic_digits(1, 0, 3).images : data::read_image(path);
  return data::from_bytes(bytes, data::PixelRange::symmetric)
      .reshape({1, bytes.dim(-3), bytes.dim(-2), bytes.dim(-1)});
}

// The picture at `columns` time steps, evenly spread, always under the same noise.
Tensor noisy_row(const diffusion::Scheduler& scheduler, const Tensor& picture, int64_t columns) {
  Tensor copies(picture.shape().with(0, columns)), t({columns}, DType::i64);
  const Tensor noise = randn(picture.shape(), {.seed = 0});
  Tensor noises(copies.shape());
  for (int64_t i = 0; i < columns; ++i) {
    copies.slice(i, i + 1).copy_from(picture);
    noises.slice(i, i + 1).copy_from(noise);
    t.data<int64_t>()[i] = i * (scheduler.config().num_train_timesteps - 1) / (columns - 1);
  }
  return scheduler.add_noise(copies, noises, t);
}

int draw(const std::string& picture_path, const fs::path& folder) {
  std::vector<data::PlotSeries> curves;
  std::vector<Tensor> rows;
  const Tensor picture = load_picture(picture_path);
  for (const BetaSchedule schedule : kSchedules) {
    const diffusion::DDPMScheduler scheduler({.beta_schedule = schedule});
    data::PlotSeries curve{.name = diffusion::name_of(schedule)};
    for (const float alpha_bar : scheduler.alphas_cumprod()) {
      curve.x.push_back(static_cast<double>(curve.x.size()));
      curve.y.push_back(alpha_bar);
    }
    curves.push_back(std::move(curve));
    rows.push_back(noisy_row(scheduler, picture, 12));
    fmt::print("row {} of noisy.png is {}\n", rows.size(), diffusion::name_of(schedule));
  }
  fs::create_directories(folder);
  data::write_svg_plot(
      folder / "alphas_cumprod.svg", curves,
      {.title = "What is left of the image", .x_label = "time step t", .y_label = "alpha_bar"});
  program::write_rows(folder / "noisy.png", rows, data::PixelRange::symmetric);
  fmt::print("{}\n{}\n", (folder / "alphas_cumprod.svg").string(), (folder / "noisy.png").string());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string picture, folder = "runs/noise_schedules";
  CLI::App app("Draws the noise schedules: curves, and rows of noisier and noisier copies.",
               "noise_schedules");
  app.add_option("--picture", picture, "a PNG or JPEG file (default: a digit)");
  app.add_option("--output-dir", folder, "where the pictures go");
  return program::run(app, argc, argv, [&] { return draw(picture, folder); });
}
