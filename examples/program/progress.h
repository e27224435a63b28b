// What a long run shows: one line with loss, learning rate, gradient norm, speed and time left. A
// terminal sees it redrawn in place, a log gets a plain line now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace imago::program {

struct StepReport {
  int64_t step = 0, total = 0;  // steps done, steps in all
  int64_t epoch = 0, epochs = 0;
  double loss = 0;       // smoothed
  double grad_norm = 0;  // before clipping
  double learning_rate = 0;
  double images_per_second = 0;
  double seconds_left = 0;
};

// "step 120/938 | epoch 1/1 | loss 0.0712 | lr 1.00e-03 | grad 0.34 | 812 img/s | 1:01 left"
std::string progress_line(const StepReport& report);
// 75 -> "1:15", 3725 -> "1:02:05"
std::string duration(double seconds);
// 12345678 -> "12.3 MB"
std::string megabytes(size_t bytes);
// The memory that this process occupies, in bytes; 0 where the system does not tell.
size_t resident_bytes();

class Progress {
 public:
  // Writes to `out`; redraws if it is a terminal. A log gets a line every `log_seconds`, the first
  // step and the last.
  Progress(int64_t total, int64_t epochs, int64_t first_step, std::FILE* out = stderr,
           double log_seconds = 10);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Call after every step. `loss` is this step's: the line shows an average that forgets old steps.
  void step(int64_t step, int64_t epoch, int64_t images, double loss, double grad_norm,
            double learning_rate);
  // Time that is not training (drawing samples, saving): it does not count for the speed.
  void pause();
  void resume();
  // A line of its own, above the redrawn one.
  void note(const std::string& text);

  const StepReport& last() const { return report_; }

 private:
  using Clock = std::chrono::steady_clock;
  double training_seconds() const;
  void draw(bool now);
  void erase();

  std::FILE* out_;
  bool terminal_;
  double log_seconds_;
  StepReport report_;
  int64_t first_step_, images_ = 0;
  double loss_weight_ = 0;
  Clock::time_point start_ = Clock::now(), pause_start_ = start_, last_draw_{};
  double paused_ = 0;
  bool is_paused_ = false, drawn_ = false;
};

}  // namespace imago::program
