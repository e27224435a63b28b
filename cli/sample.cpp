// Pictures drawn by a model in diffusers' format.
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "data/animation.h"
#include "data/grid.h"
#include "data/image_file.h"
#include "diffusion/pipeline.h"
#include "diffusion/sampler.h"
#include "examples/program/command_line.h"
#include "examples/program/interrupt.h"
#include "examples/program/pictures.h"
#include "examples/program/progress.h"

namespace imago::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostFrames = 40;  // of an animation

struct Flags {
  std::string model, variant, output = "samples.png", strip, animation, images;
  std::string sampler, device = "auto";  // sampler: empty is what suits the model
  int64_t steps = 50, num_images = 16, batch_size = 16;
  double eta = 0;
  uint64_t seed = 0;
  std::optional<uint64_t> torch_seed;
  std::vector<int64_t> size;  // height and width; empty: the model's own
  std::vector<int64_t> class_labels;  // of the pictures, in turn
  int threads = 0;
};

constexpr const char* kOwn = "own";  // the sampler that the model names itself

std::unique_ptr<diffusion::Scheduler> scheduler_of(const Flags& f) {
  const std::string json = diffusion::load_scheduler_config(f.model);
  const bool for_ddpm = diffusion::is_for_ddpm(json);
  if (f.sampler.empty()) diffusion::parse_scheduler_config(json);  // nobody knows what suits a class that is not here
  const std::string sampler = !f.sampler.empty() ? f.sampler : for_ddpm && !f.torch_seed ? "ddim" : kOwn;
  if (sampler == kOwn) return diffusion::scheduler_from_json(json);
  IMAGO_CHECK(for_ddpm, "--sampler must be own for the model in ", f.model, ", which is made for ",
              diffusion::class_name_in(json).value_or(""), ", got ", sampler);
  const std::string_view class_name = diffusion::scheduler_class(sampler);
  diffusion::SchedulerConfig config = diffusion::parse_scheduler_config(json, class_name).config;
  IMAGO_CHECK(f.steps <= config.num_train_timesteps, "--steps must be at most ", config.num_train_timesteps,
              ", which the model was trained with, got ", f.steps);
  // The first step is then the last time step of training: pure noise is what the model knows from there. Python does
  // as the config says.
  if (!f.torch_seed) config.timestep_spacing = diffusion::TimestepSpacing::trailing;
  return diffusion::make_scheduler(class_name, config);
}

std::vector<std::string> samplers() {
  std::vector<std::string> names = diffusion::sampler_names();
  names.emplace_back(kOwn);
  return names;
}

Shape image_shape(const Flags& f, const nn::UNet2DConfig& config) {
  nn::ImageSize size = config.sample_size.value_or(nn::ImageSize{0, 0});
  if (!f.size.empty()) size = {f.size[0], f.size.back()};
  IMAGO_CHECK(size.height > 0 && size.width > 0, "the model does not say how large its pictures are; use --size");
  IMAGO_CHECK(config.in_channels == 1 || config.in_channels == 3, "sample: the model in ", f.model,
              " must have 1 or 3 channels, as a PNG has, got ", config.in_channels);
  return {size.height, size.width, config.in_channels};
}

// What the model is told of the pictures [first, first + count); undefined for one without classes.
Tensor labels_of(const Flags& f, int64_t first, int64_t count) {
  if (f.class_labels.empty()) return {};
  std::vector<int64_t> labels;
  for (int64_t i = first; i < first + count; ++i) labels.push_back(f.class_labels[i % f.class_labels.size()]);
  return Tensor::from<int64_t>(labels, {count});
}

void check_classes(const Flags& f, const nn::UNet2DConfig& config) {
  IMAGO_CHECK(config.class_embed_type != "identity", "sample: ", f.model,
              " wants a vector for each picture's class (class_embed_type identity), which imago sample cannot give");
  IMAGO_CHECK(config.has_classes() || f.class_labels.empty(), "--class-labels: the model in ", f.model,
              " knows no classes");
  IMAGO_CHECK(!config.has_classes() || !f.class_labels.empty(), "sample: the model in ", f.model,
              " wants to know of what class its pictures are to be; use --class-labels");
  if (!config.num_class_embeds) return;
  for (const int64_t label : f.class_labels)
    IMAGO_CHECK(label < *config.num_class_embeds, "--class-labels must be less than ", *config.num_class_embeds,
                ", the number of the model's classes, got ", label);
}

data::GridOptions grid_options(int64_t width) { return {.upscale = std::max<int64_t>(1, 64 / width)}; }

// The bytes of some images as one picture, shown side by side.
Tensor grid_of(const Tensor& images) {
  return data::image_grid(data::to_bytes(images.to(Device::cpu), data::PixelRange::symmetric),
                          grid_options(images.dim(2)));
}

// How many pictures the grid shows: all, or what a PNG has room for where each is written by itself too. Asked before
// anything is drawn: it must not be for nothing.
int64_t pictures_on_grid(const Flags& f, const Shape& image) {
  const auto fits = [&](int64_t n) {
    const Shape grid = data::grid_shape(image.inserted(0, n), grid_options(image[1]));
    return grid[0] <= data::kMaxPngSide && grid[1] <= data::kMaxPngSide;
  };
  int64_t n = 0;  // the most that fit, bit by bit
  for (int64_t bit = int64_t{1} << 40; bit > 0; bit /= 2)
    if (n + bit <= f.num_images && fits(n + bit)) n += bit;
  IMAGO_CHECK(n > 0, "--size: a picture, at least 64 pixels wide, must fit on a PNG with sides of ", data::kMaxPngSide,
              ", got ", image);
  IMAGO_CHECK(n == f.num_images || !f.images.empty(), "--num-images must be at most ", n,
              ", which fit on one PNG, unless --images writes each by itself, got ", f.num_images);
  if (n < f.num_images) fmt::print(stderr, "{} will show the first {} of {} pictures\n", f.output, n, f.num_images);
  return n;
}

// What is seen while the first batch is drawn.
class Film {
 public:
  Film(const Flags& f, int64_t steps)
      : every_(std::max<int64_t>(1, steps / kMostFrames)), wanted_(!f.animation.empty()) {}
  void add(int64_t step, int64_t total, const Tensor& x) {
    if (wanted_ && (step % every_ == 0 || step == total)) frames_.push_back(grid_of(x));
  }
  void write(const fs::path& path) const {
    const Shape frame = frames_.at(0).shape();
    Tensor all(frame.inserted(0, static_cast<int64_t>(frames_.size())), DType::u8, Device::cpu);
    for (size_t i = 0; i < frames_.size(); ++i)
      all.slice(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1)
          .copy_from(frames_[i].reshape(frame.inserted(0, 1)));
    data::write_animation(path, all);
  }

 private:
  int64_t every_;
  bool wanted_;
  std::vector<Tensor> frames_;
};

// A line that is redrawn, on a terminal only.
class Counter {
 public:
  explicit Counter(int64_t total) : total_(total) {}
  ~Counter() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }
  void step(int64_t done) {
    if (!terminal_) return;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    const double left = spent.count() / static_cast<double>(done) * static_cast<double>(total_ - done);
    fmt::print(stderr, "\r\x1b[Kdrawing: step {}/{} | {} left", done, total_, program::duration(left));
    std::fflush(stderr);
  }

 private:
  int64_t total_;
  bool terminal_ = isatty(fileno(stderr)) != 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int sample(const Flags& f) {
  set_default_device(device_named(f.device));
  if (f.threads > 0) set_thread_count(f.threads);
  program::catch_interrupts();
  const nn::UNet2D unet = diffusion::load_unet(f.model, f.variant);
  check_classes(f, unet.config());
  const auto scheduler = scheduler_of(f);
  const Shape image = image_shape(f, unet.config());
  const int64_t shown = pictures_on_grid(f, image);

  // PyTorch draws the noise of a whole batch in one go.
  const int64_t batch_size = f.torch_seed ? f.num_images : f.batch_size;
  const int64_t batches = (f.num_images + batch_size - 1) / batch_size;
  scheduler->set_timesteps(f.steps);
  const auto calls =
      static_cast<int64_t>(scheduler->timesteps().size());  // of the model: some methods need several a step
  Tensor all(image.inserted(0, f.num_images), DType::f32, Device::cpu);
  Film film(f, calls);
  program::Strip strip(std::min<int64_t>(4, std::min(batch_size, f.num_images)), calls, 12);
  {
    Counter counter(batches * calls);
    for (int64_t b = 0; b < batches; ++b) {
      const int64_t first = b * batch_size, count = std::min(batch_size, f.num_images - first);
      const auto look = [&](const diffusion::SampleProgress& p) {
        program::stop_if_interrupted();
        counter.step(b * calls + p.step);
        if (b > 0) return;
        film.add(p.step, p.total, p.x);
        if (!f.strip.empty()) strip.add(p.step, p.x, p.x0);
      };
      const Tensor labels = labels_of(f, first, count);
      const auto model = [&](const Tensor& x_t, const Tensor& t) { return unet(x_t, t, labels).value(); };
      const Tensor x = diffusion::sample(model, *scheduler, image.inserted(0, count),
                                         {.steps = f.steps,
                                          .eta = f.eta,
                                          .seed = f.seed,
                                          .first_image = static_cast<uint64_t>(first),
                                          .torch_seed = f.torch_seed,
                                          .graph = true},
                                         look);
      all.slice(first, first + count).copy_from(x.to(Device::cpu));
    }
  }
  if (!f.images.empty()) {
    fs::create_directories(f.images);
    const Tensor bytes = data::to_bytes(all, data::PixelRange::symmetric);
    for (int64_t i = 0; i < f.num_images; ++i)
      data::write_png(fs::path(f.images) / fmt::format("{:05}.png", i), bytes.slice(i, i + 1).reshape(image));
  }
  data::write_png(f.output, grid_of(all.slice(0, shown)));
  if (!f.strip.empty()) strip.write(f.strip, data::PixelRange::symmetric);
  if (!f.animation.empty()) film.write(f.animation);
  fmt::print("{}\n", f.output);
  return 0;
}

}  // namespace

Command add_sample(CLI::App& app) {
  const auto f = std::make_shared<Flags>();
  app.add_option("model", f->model, "folder of a diffusers pipeline, such as a run's model/")->required();
  app.add_option("--variant", f->variant, "which of the model's weights, where it has several: fp16, say");
  app.add_option("--output", f->output, "the grid of pictures, PNG");
  app.add_option("--num-images", f->num_images, "how many pictures")->check(program::positive);
  app.add_option("--batch-size", f->batch_size,
                 "how many at a time: memory and speed; a picture changes by rounding at most")
      ->check(program::positive);
  app.add_option("--sampler", f->sampler,
                 fmt::format("how: {}; own: as the model's scheduler says. Unless given, ddim; with --torch-seed, "
                             "and for a model of EDM or flow matching, own",
                             fmt::join(samplers(), ", ")))
      ->check(CLI::IsMember(samplers()));
  app.add_option("--steps", f->steps, "steps of sampling: more are slower and better")->check(program::positive);
  app.add_option("--eta", f->eta, "of ddim: how much noise is drawn again, from 0 to 1")->check(program::fraction);
  app.add_option("--seed", f->seed, "another number, other pictures");
  app.add_option("--torch-seed", f->torch_seed,
                 "draw the noise that a diffusers pipeline draws with torch.manual_seed of this number, for all "
                 "pictures at a time: --batch-size has no effect");
  app.add_option("--size", f->size, "height and width, or one number for both")
      ->expected(1, 2)
      ->check(program::positive);
  app.add_option("--class-labels", f->class_labels,
                 "for a model with classes: the classes of the pictures, in turn; one number for all, say")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--images", f->images, "a folder to write every picture to, each by itself");
  app.add_option("--strip", f->strip, "a PNG that shows some pictures on their way from noise");
  app.add_option("--animation", f->animation, "a moving PNG of that, for browsers");
  app.add_option("--device", f->device, "auto, cpu or cuda");
  app.add_option("--threads", f->threads, "0: all");
  return [f] { return sample(*f); };
}

}  // namespace imago::cli
