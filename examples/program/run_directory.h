// The folder of one training run:
//   runs/NAME/{metrics.jsonl, loss.svg, samples/, checkpoint-000500/, model/, ...}
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace imago::program {

namespace fs = std::filesystem;

struct RunOptions {
  std::string output_dir = {};   // empty: default_dir, or default_dir-2, -3, ... whatever is free
  std::string default_dir = {};  // runs/mnist-ddpm
  std::string resume = {};       // empty, "latest", or the path of a checkpoint
  bool overwrite = false;        // the run that is in output_dir may be thrown away
};

class RunDirectory {
 public:
  // Makes or finds the folder. Throws, and changes nothing, if there is nothing to resume, or if
  // the folder holds anything that is neither to be resumed nor to be overwritten. Overwriting
  // deletes what a run writes and nothing else.
  explicit RunDirectory(const RunOptions& options);

  const fs::path& path() const { return path_; }
  // The checkpoint to resume from; empty for a fresh run.
  const fs::path& resume_from() const { return resume_from_; }
  fs::path sample_path(const std::string& name, int64_t step) const;  // samples/NAME-000500.png
  fs::path checkpoint_path(int64_t step) const;                       // checkpoint-000500

 private:
  fs::path path_, resume_from_;
};

// The finished checkpoints in a run's folder, oldest first.
std::vector<fs::path> checkpoints(const fs::path& run);
// Deletes the oldest so that at most `limit` remain; 0 keeps all.
void rotate_checkpoints(const fs::path& run, int64_t limit);
// Gives those behind `step` the ending .abandoned: a run that goes on from `step` takes another
// way.
void abandon_checkpoints(const fs::path& run, int64_t step);
// Gives a folder its name when it is whole: `temporary` takes the place of `path`.
void replace_directory(const fs::path& temporary, const fs::path& path);

// Calls write(folder) with a temporary folder beside `path` that gets its name when all is written,
// so that a folder called checkpoint-N is always whole.
template <typename Write>
void write_directory(const fs::path& path, Write write) {
  const fs::path temporary = path.string() + ".tmp";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  write(temporary);
  replace_directory(temporary, path);
}

// metrics.jsonl: one JSON object per training step.
class MetricsLog {
 public:
  struct Row {
    int64_t step, epoch;
    double loss, grad_norm, learning_rate;
  };
  // Keeps the rows up to `last_step` that are there already and drops later ones: they belong to a
  // future that a resumed run does over again.
  MetricsLog(const fs::path& path, int64_t last_step);
  void append(const Row& row);
  // To the disk; throws if rows could not be written.
  void flush();
  const std::vector<Row>& rows() const { return rows_; }

 private:
  fs::path path_;
  std::ofstream file_;
  std::vector<Row> rows_;
};

}  // namespace imago::program
