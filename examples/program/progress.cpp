#include "examples/program/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace imago::program {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kLossMemory = 0.98;  // the shown loss forgets a step after about 50 more

int terminal_width(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string duration(double seconds) {
  const int64_t s = std::llround(std::max(0.0, seconds));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string megabytes(size_t bytes) {
  const double mb = static_cast<double>(bytes) / 1e6;
  return mb < 100 ? fmt::format("{:.1f} MB", mb) : fmt::format("{:.0f} MB", mb);
}

size_t resident_bytes() {
  long pages = 0, resident = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(statm);
  }
  return static_cast<size_t>(resident) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

std::string progress_line(const StepReport& r) {
  return fmt::format(
      "step {}/{} | epoch {}/{} | loss {:.4f} | lr {:.2e} | grad {:.2f} | {:.0f} img/s | {} left",
      r.step, r.total, r.epoch, r.epochs, r.loss, r.learning_rate, r.grad_norm, r.images_per_second,
      duration(r.seconds_left));
}

Progress::Progress(int64_t total, int64_t epochs, int64_t first_step, std::FILE* out,
                   double log_seconds)
    : out_(out),
      terminal_(isatty(fileno(out))),
      log_seconds_(log_seconds),
      first_step_(first_step) {
  report_.total = total;
  report_.epochs = epochs;
  report_.step = first_step;
}

Progress::~Progress() {
  if (terminal_ && drawn_) std::fputc('\n', out_);
}

double Progress::training_seconds() const {
  const auto end = is_paused_ ? pause_start_ : Clock::now();
  return std::chrono::duration<double>(end - start_).count() - paused_;
}

void Progress::step(int64_t step, int64_t epoch, int64_t images, double loss, double grad_norm,
                    double learning_rate) {
  images_ += images;
  loss_weight_ = kLossMemory * loss_weight_ + 1;
  report_.loss += (loss - report_.loss) / loss_weight_;
  report_.step = step;
  report_.epoch = epoch;
  report_.grad_norm = grad_norm;
  report_.learning_rate = learning_rate;
  const double seconds = std::max(1e-9, training_seconds());
  report_.images_per_second = static_cast<double>(images_) / seconds;
  report_.seconds_left =
      seconds / static_cast<double>(step - first_step_) * static_cast<double>(report_.total - step);
  draw(step == report_.total || step == first_step_ + 1);
}

void Progress::pause() {
  pause_start_ = Clock::now();
  is_paused_ = true;
}

void Progress::resume() {
  paused_ += std::chrono::duration<double>(Clock::now() - pause_start_).count();
  is_paused_ = false;
}

void Progress::note(const std::string& text) {
  if (terminal_ && drawn_) erase();
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
  drawn_ = false;
}

void Progress::draw(bool now) {
  const double since = std::chrono::duration<double>(Clock::now() - last_draw_).count();
  if (!now && since < (terminal_ ? kRedrawSeconds : log_seconds_)) return;
  last_draw_ = Clock::now();
  std::string line = progress_line(report_);
  if (terminal_) {
    const auto width = static_cast<size_t>(std::max(20, terminal_width(out_) - 1));
    if (line.size() > width) line.resize(width);
    erase();
    fmt::print(out_, "{}", line);
  } else {
    fmt::print(out_, "{}\n", line);
  }
  std::fflush(out_);
  drawn_ = true;
}

void Progress::erase() { fmt::print(out_, "\r\033[K"); }

}  // namespace imago::program
