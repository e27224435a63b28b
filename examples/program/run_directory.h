// The folder of one training run:
//   runs/NAME/{metrics.jsonl, loss.svg, samples/, checkpoint-000500/, model/, ...}
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/file_lock.h"

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
  // Makes or finds the folder, and holds it: no other process can run in it meanwhile. Throws, and
  // changes nothing, if there is nothing to resume, if the folder holds anything that is neither to
  // be resumed nor to be overwritten, or if it is in use. Overwriting deletes what a run writes and
  // nothing else. What a killed run left half written is removed, or put back in its place.
  explicit RunDirectory(const RunOptions& options);

  const fs::path& path() const { return path_; }
  // The checkpoint to resume from; empty for a fresh run.
  const fs::path& resume_from() const { return resume_from_; }
  // Whether "latest" was asked for and there is a run, but one that ended before its first checkpoint.
  bool starts_over() const { return starts_over_; }
  fs::path sample_path(const std::string& name, int64_t step) const;  // samples/NAME-000500.png
  fs::path checkpoint_path(int64_t step) const;                       // checkpoint-000500

 private:
  fs::path path_, resume_from_;
  bool starts_over_ = false;
  std::unique_ptr<data::FileLock> lock_;
};

// The finished checkpoints in a run's folder, oldest first.
std::vector<fs::path> checkpoints(const fs::path& run);
// Deletes the oldest so that at most `limit` remain; 0 keeps all.
void rotate_checkpoints(const fs::path& run, int64_t limit);
// Gives those behind `step` the ending .abandoned: a run that goes on from `step` takes another
// way.
void abandon_checkpoints(const fs::path& run, int64_t step);
// Calls write(folder) with a temporary folder beside `path` that takes the place of `path` when all is
// written and on the disk: a folder called checkpoint-N is always whole. If anything throws, the
// temporary folder is removed and `path` is as it was.
void write_directory(const fs::path& path, const std::function<void(const fs::path&)>& write);
// Tidies up behind a run that was killed: removes temporary files and folders, and puts back what had
// been moved out of the way for a replacement that did not come.
void recover(const fs::path& run);

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
  // To the system, or as far as the disk; throws if rows could not be written.
  void flush();
  void sync();
  const std::vector<Row>& rows() const { return rows_; }

 private:
  fs::path path_;
  std::ofstream file_;
  std::vector<Row> rows_;
};

}  // namespace imago::program
