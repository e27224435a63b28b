#include "examples/program/training_run.h"

#include <fmt/core.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/anomaly.h"
#include "autograd/no_grad.h"
#include "core/allocator.h"
#include "core/device_memory.h"
#include "core/parallel.h"
#include "data/atomic_file.h"
#include "data/safetensors.h"
#include "data/svg_plot.h"
#include "diffusion/trainer.h"
#include "examples/program/command_line.h"
#include "examples/program/interrupt.h"
#include "examples/program/progress.h"
#include "examples/program/run_directory.h"
#include "kernels/precision.h"

namespace imago::program {
namespace {

nn::LearningRateOptions learning_rate_options(const TrainingFlags& flags, int64_t total_steps) {
  return {.peak = flags.learning_rate,
          .schedule = nn::learning_rate_schedule(flags.lr_scheduler),
          .warmup_steps = std::min(flags.lr_warmup_steps, total_steps / 2),
          .total_steps = total_steps};
}

diffusion::TrainerOptions trainer_options(const TrainingFlags& flags, int64_t total_steps) {
  diffusion::TrainerOptions options{
      .learning_rate = learning_rate_options(flags, total_steps),
      .adamw = {.beta1 = flags.adam_beta1,
                .beta2 = flags.adam_beta2,
                .eps = flags.adam_epsilon,
                .weight_decay = flags.adam_weight_decay},
      .max_grad_norm = flags.max_grad_norm,
      .ema = {},
      .gradient_accumulation_steps = flags.gradient_accumulation_steps,
      .graph = flags.graph && !flags.detect_anomaly,  // nobody can look into a graph
  };
  if (flags.precision_on(default_device()) == "bf16") options.compute = DType::bf16;
  if (flags.use_ema)
    options.ema = nn::EmaOptions{.max_decay = flags.ema_max_decay,
                                 .inv_gamma = flags.ema_inv_gamma,
                                 .power = flags.ema_power};
  return options;
}

// FNV-1a (Fowler, Noll, Vo 1991) over the pixels: tells data sets apart.
std::string fingerprint(const data::ImageDataset& dataset) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t byte : dataset.images.span<uint8_t>()) hash = (hash ^ byte) * 0x100000001b3u;
  return fmt::format("{} images {:016x}", dataset.size(), hash);
}

constexpr const char* kTrainerFile = "trainer.safetensors";  // in a checkpoint's folder
constexpr const char* kLength = "max_train_steps";           // in its metadata

class Run {
 public:
  Run(const Recipe& recipe, const data::ImageDataset& dataset, const TrainingFlags& flags)
      : recipe_(recipe),
        flags_(flags),
        images_per_step_(flags.train_batch_size * flags.gradient_accumulation_steps),
        batches_(dataset, {.batch_size = images_per_step_, .flip = flags.random_flip, .seed = flags.seed}),
        steps_per_epoch_(batches_.per_epoch()),
        total_(flags.max_train_steps > 0 ? flags.max_train_steps
                                         : flags.num_epochs * steps_per_epoch_),
        folder_({.output_dir = flags.output_dir,
                 .default_dir = "runs/" + recipe.name,
                 .resume = flags.resume_from_checkpoint,
                 .overwrite = flags.overwrite_output_dir}),
        trainer_(*recipe.model, trainer_options(flags, total_)) {
    settings_ = recipe.settings;
    for (const auto& setting : flags.settings()) settings_.push_back(setting);
    settings_.emplace_back("precision", flags.precision_on(default_device()));
    settings_.emplace_back("data", fingerprint(dataset));
    if (!folder_.resume_from().empty()) resume(folder_.resume_from() / kTrainerFile);
    metrics_.emplace(folder_.path() / "metrics.jsonl", trainer_.steps());
  }

  int operator()() {
    print_header();
    train();
    if (interrupted()) return say_how_to_go_on();
    try {
      finish();
    } catch (const Interrupted&) {
      return say_how_to_go_on();
    }
    return 0;
  }

 private:
  void resume(const fs::path& checkpoint) {
    trainer_.load(checkpoint, settings_);
    IMAGO_CHECK(trainer_.steps() <= total_, folder_.resume_from().string(),
                " is past the end of this run, step ", total_,
                "; a larger --num-epochs or --max-train-steps goes on from there");
    mind_the_length(checkpoint);
    abandon_checkpoints(folder_.path(), trainer_.steps());
  }

  // A run may be made longer. The learning rate may depend on the length, and then the steps so far
  // had another one than in a run of the new length: people should know.
  void mind_the_length(const fs::path& checkpoint) const {
    const std::map<std::string, std::string> saved =
        data::SafetensorsFile::open(checkpoint).metadata();
    const auto found = saved.find(kLength);
    if (found == saved.end()) return;
    const int64_t length = std::atoll(found->second.c_str());
    const nn::LearningRateOptions before = learning_rate_options(flags_, length),
                                  now = learning_rate_options(flags_, total_);
    int64_t k = 0;
    while (k < trainer_.steps() && learning_rate(before, k) == learning_rate(now, k)) ++k;
    if (k < trainer_.steps())
      fmt::print(stderr,
                 "note: so far the learning rate ({}) was that of a run of {} steps, from here on "
                 "it is that of {} steps\n",
                 flags_.lr_scheduler, length, total_);
  }

  void print_header() {
    fmt::print(stderr, "model: {:.2f} M parameters, batch {}, {} steps, {} thread{}\n",
               static_cast<double>(nn::parameter_count(*recipe_.model)) / 1e6,
               flags_.train_batch_size, total_, thread_count(), thread_count() == 1 ? "" : "s");
    if (trainer_.steps() < total_) print_memory();
    fmt::print(
        stderr, "run: {}{}\n", folder_.path().string(),
        !folder_.resume_from().empty() ? fmt::format(", resumed at step {}", trainer_.steps())
        : folder_.starts_over()        ? ", which has no checkpoint yet: from the first step"
                                       : "");
  }

  // What a step is going to need, found out before the first one.
  void print_memory() {
    const Device device = default_device();
    const MemoryStats held = memory_stats(device);
    const size_t available = memory_capacity(device).free + held.cached;
    const size_t step = trainer_.memory_of_step([&](int64_t part) { return loss(part); }).peak();
    const int64_t largest = trainer_.largest_batch(
        available, [&](int64_t size) { return loss(batches_.resized(size), 0, size); }, batches_.size());
    fmt::print(stderr,
               "memory: {} for model, optimiser and data, {} for a step; batches of up to {} fit\n",
               megabytes(held.in_use), megabytes(step), largest);
  }

  void train() {
    const int64_t first = trainer_.steps();
    if (first == total_) return;
    Progress progress(total_, (total_ + steps_per_epoch_ - 1) / steps_per_epoch_, first, stderr,
                      flags_.log_every);
    trainer_.on_step([&](const diffusion::TrainStep& step) { report(step, progress); });
    try {
      give_steps(progress);
    } catch (const std::exception&) {  // a step that failed has changed nothing: what was learnt so far is kept
      keep_what_was_learnt(first);
      throw;
    }
    speed_ = progress.last().images_per_second;
    save_checkpoint();
  }

  // Whatever goes wrong here, what went wrong before it is what people must hear of.
  void keep_what_was_learnt(int64_t first) {
    try {
      trainer_.settle();
      if (trainer_.steps() > first) save_checkpoint();
    } catch (const std::exception& error) {
      fmt::print(stderr, "no checkpoint of the last steps: {}\n", error.what());
    }
  }

  int say_how_to_go_on() const {
    const std::string folder = folder_.path().string();
    fmt::print(stderr, "stopped at step {}; saved in {}. Go on with\n"
               "  {} --resume-from-checkpoint latest --output-dir {}\n",
               trainer_.steps(), folder,
               command_line({"--overwrite-output-dir", "--resume-from-checkpoint=", "--output-dir="}),
               shell_word(folder));
    return interrupted_exit_code();
  }

  // Of images [begin, end) of a step's batch.
  Variable loss(const diffusion::DeviceBatches& batches, int64_t begin, int64_t end) const {
    const diffusion::BatchKey key{
        .seed = flags_.seed, .first_image = static_cast<uint64_t>(begin), .step_at = trainer_.step_at()};
    return recipe_.loss(batches.batch(key).slice(begin, end), key);
  }
  Variable loss(int64_t part) const {
    return loss(batches_, part * flags_.train_batch_size, (part + 1) * flags_.train_batch_size);
  }

  void report(const diffusion::TrainStep& step, Progress& progress) {
    const int64_t epoch = (step.step - 1) / steps_per_epoch_ + 1;
    metrics_->append({step.step, epoch, step.loss, step.grad_norm, step.learning_rate});
    progress.step(step.step, epoch, images_per_step_, step.loss, step.grad_norm,
                  step.learning_rate);
  }

  void give_steps(Progress& progress) {
    try {
      while (trainer_.steps() < total_ && !interrupted()) {
        give_step();
        after_step(progress);
      }
      trainer_.settle();
    } catch (const diffusion::NonFinite& error) {
      explain(error);
    }
  }
  void give_step() {
    batches_.send(trainer_.steps());
    std::optional<AnomalyScope> watch;
    if (flags_.detect_anomaly) watch.emplace(nn::named_parameters(*recipe_.model), name_of_step());
    trainer_.queue([&](int64_t part) { return loss(part); }, images_per_step_);
  }
  std::string name_of_step() const { return fmt::format("step {}", trainer_.steps() + 1); }

  // A step that is not finite has changed nothing, so the same can be done again to see which operation was the first.
  [[noreturn]] void explain(const diffusion::NonFinite& error) {
    batches_.send(trainer_.steps());
    std::string found;
    for (int64_t part = 0; part < flags_.gradient_accumulation_steps && found.empty(); ++part)
      found = find_anomaly(nn::named_parameters(*recipe_.model), name_of_step(), [&] { return loss(part); });
    fail(error.what(), found.empty() ? "" : "; ", found);
  }

  void after_step(Progress& progress) {
    const int64_t k = trainer_.steps();
    const int64_t image_steps = flags_.save_images_steps > 0
                                    ? flags_.save_images_steps
                                    : std::max<int64_t>(1, (total_ + 3) / 4);
    const bool draw = k % image_steps == 0 && k < total_;
    const bool save =
        flags_.checkpointing_steps > 0 && k % flags_.checkpointing_steps == 0 && k < total_;
    if (!draw && !save) return;
    trainer_.settle();
    progress.pause();
    if (draw) draw_samples(progress);
    if (save) save_checkpoint();
    progress.resume();
  }

  // Pictures on the way are a convenience: training goes on without them.
  void draw_samples(Progress& progress) {
    const fs::path png = folder_.sample_path("step", trainer_.steps());
    try {
      draw_with_average([&] { recipe_.draw_samples(png); });
      progress.note(
          fmt::format("samples: {} (memory {})", png.string(), megabytes(resident_bytes())));
    } catch (const Error& error) {
      if (!interrupted()) progress.note(fmt::format("no samples: {}", error.what()));
    }
  }

  template <typename Draw>
  void draw_with_average(Draw draw) {
    const NoGrad no_grad;
    const auto averaged = trainer_.averaged_weights();
    draw();
  }

  void save_checkpoint() {
    metrics_->sync();  // a checkpoint never knows more than the metrics beside it
    const fs::path path = folder_.checkpoint_path(trainer_.steps());
    write_directory(path, [&](const fs::path& folder) {
      save_model(folder / "model", /*average=*/false);
      save_model(folder / "model_ema", /*average=*/true);
      diffusion::Settings settings = settings_;
      settings.emplace_back(kLength, std::to_string(total_));
      trainer_.save(folder / kTrainerFile, settings);
    });
    rotate_checkpoints(folder_.path(), flags_.checkpoints_total_limit);
  }

  void save_model(const fs::path& folder, bool average) {
    const auto weights = trainer_.stored_weights(average);
    recipe_.save_model(folder);
  }

  void finish() {
    write_directory(folder_.path() / "model", [&](const fs::path& folder) { save_model(folder, /*average=*/true); });
    const fs::path final_png = folder_.path() / "final.png";
    draw_with_average([&] {
      recipe_.draw_samples(final_png);
      recipe_.draw_final(folder_.path());
    });
    draw_loss();
    nlohmann::ordered_json summary = {
        {"steps", trainer_.steps()},
        {"final_loss", metrics_->rows().empty() ? 0.0 : metrics_->rows().back().loss},
        {"images_per_second", speed_},
        {"threads", thread_count()},
        {"resident_bytes", resident_bytes()},
        {"peak_tensor_bytes", memory_stats(default_device()).peak}};
    for (const auto& [key, value] : settings_) summary[key] = value;
    data::write_file(folder_.path() / "run.json", summary.dump(2) + "\n");
    if (speed_ > 0) fmt::print(stderr, "done: {:.0f} img/s, ", speed_);
    fmt::print(stderr, "memory {}, of tensors at most {}\n", megabytes(resident_bytes()),
               megabytes(memory_stats(default_device()).peak));
    fmt::print("{}\n", final_png.string());
  }

  void draw_loss() const {
    data::PlotSeries loss{.name = "loss"};
    for (const MetricsLog::Row& row : metrics_->rows()) {
      loss.x.push_back(static_cast<double>(row.step));
      loss.y.push_back(row.loss);
    }
    loss.smoothing = std::max<int64_t>(2, static_cast<int64_t>(loss.x.size()) / 40);
    data::write_svg_plot(
        folder_.path() / "loss.svg", {loss},
        {.title = recipe_.name, .x_label = "step", .y_label = "loss", .log_y = true});
  }

  const Recipe& recipe_;
  const TrainingFlags& flags_;
  int64_t images_per_step_;
  diffusion::DeviceBatches batches_;
  int64_t steps_per_epoch_, total_;
  RunDirectory folder_;
  diffusion::Trainer trainer_;
  std::optional<MetricsLog> metrics_;
  diffusion::Settings settings_;
  double speed_ = 0;
};

}  // namespace

namespace {

void use_precision(const std::string& precision) {
  const bool tf32 = precision == "tf32";
  if (tf32 && default_device() == Device::cpu)
    fmt::print(stderr, "note: --precision tf32 is for GPUs; the CPU computes in f32 all the same\n");
  kernels::set_matmul_precision(tf32 ? kernels::MatmulPrecision::tf32 : kernels::MatmulPrecision::f32);
}

}  // namespace

int train(const Recipe& recipe, const data::ImageDataset& dataset, const TrainingFlags& flags) {
  flags.check();
  if (flags.threads > 0) set_thread_count(flags.threads);
  use_precision(flags.precision_on(default_device()));
  catch_interrupts();
  return Run(recipe, dataset, flags)();
}

}  // namespace imago::program
