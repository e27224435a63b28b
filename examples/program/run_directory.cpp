#include "examples/program/run_directory.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/check.h"

namespace imago::program {
namespace {

constexpr const char* kPrefix = "checkpoint-";

// The N of checkpoint-N, or -1.
int64_t step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  int64_t step = -1;
  if (!name.starts_with(kPrefix)) return -1;
  const char *begin = name.data() + std::string_view(kPrefix).size(), *end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, step);
  return error == std::errc() && stop == end ? step : -1;
}

bool holds_run(const fs::path& path) { return fs::exists(path) && !fs::is_empty(path); }

fs::path first_free(const fs::path& path) {
  fs::path candidate = path;
  for (int i = 2; holds_run(candidate); ++i) candidate = fmt::format("{}-{}", path.string(), i);
  return candidate;
}

// The newest run among default_dir, default_dir-2, ... that has a checkpoint.
fs::path newest_run(const fs::path& path) {
  fs::path newest = path, candidate = path;
  for (int i = 2; fs::exists(candidate); ++i) {
    if (!checkpoints(candidate).empty()) newest = candidate;
    candidate = fmt::format("{}-{}", path.string(), i);
  }
  return newest;
}

}  // namespace

std::vector<fs::path> checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  if (!fs::is_directory(run)) return found;
  for (const fs::directory_entry& entry : fs::directory_iterator(run))
    if (entry.is_directory() && step_of(entry.path()) >= 0) found.push_back(entry.path());
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) { return step_of(a) < step_of(b); });
  return found;
}

void rotate_checkpoints(const fs::path& run, int64_t limit) {
  std::vector<fs::path> all = checkpoints(run);
  if (limit <= 0) return;
  for (size_t i = 0; i + static_cast<size_t>(limit) < all.size(); ++i) fs::remove_all(all[i]);
}

RunDirectory::RunDirectory(const RunOptions& options) {
  const bool named = !options.output_dir.empty();
  path_ = named ? fs::path(options.output_dir) : fs::path(options.default_dir);
  if (options.resume.empty()) {
    if (!named) path_ = first_free(path_);
    if (holds_run(path_)) {
      IMAGO_CHECK(options.overwrite, "output directory ", path_.string(), " already holds a run; continue it with "
                  "--resume-from-checkpoint latest, choose another --output-dir, or pass --overwrite-output-dir");
      fs::remove_all(path_);
    }
  } else if (options.resume == "latest") {
    if (!named) path_ = newest_run(path_);
    const std::vector<fs::path> all = checkpoints(path_);
    IMAGO_CHECK(!all.empty(), "no checkpoint to resume from in ", path_.string());
    resume_from_ = all.back();
  } else {
    resume_from_ = fs::path(options.resume).lexically_normal();
    if (!resume_from_.has_filename()) resume_from_ = resume_from_.parent_path();
    IMAGO_CHECK(fs::is_directory(resume_from_) && step_of(resume_from_) >= 0, "--resume-from-checkpoint must be 'latest' or "
                "the path of a checkpoint-N folder, got '", options.resume, "'");
    if (!named) path_ = resume_from_.has_parent_path() ? resume_from_.parent_path() : fs::path(".");
  }
  std::error_code error;
  fs::create_directories(path_ / "samples", error);
  IMAGO_CHECK(!error, "cannot make the output directory ", path_.string(), ": ", error.message());
}

fs::path RunDirectory::sample_path(const std::string& name, int64_t step) const {
  return path_ / "samples" / fmt::format("{}-{:06}.png", name, step);
}

fs::path RunDirectory::checkpoint_path(int64_t step) const { return path_ / fmt::format("{}{:06}", kPrefix, step); }

MetricsLog::MetricsLog(const fs::path& path, int64_t last_step) {
  std::string kept;
  if (std::ifstream old(path); old && last_step > 0)
    for (std::string line; std::getline(old, line);) {
      const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
      if (!json.is_object() || json.value("step", last_step + 1) > last_step) break;
      rows_.push_back({json.value("step", int64_t{0}), json.value("epoch", int64_t{0}), json.value("loss", 0.0),
                       json.value("grad_norm", 0.0), json.value("lr", 0.0)});
      kept += line + "\n";
    }
  const fs::path temporary = path.string() + ".tmp";
  IMAGO_CHECK(std::ofstream(temporary) << kept << std::flush, "cannot write ", temporary.string());
  fs::rename(temporary, path);
  file_.open(path, std::ios::app);
  IMAGO_CHECK(file_, "cannot write ", path.string());
}

void MetricsLog::append(const Row& row) {
  rows_.push_back(row);
  file_ << fmt::format(R"({{"step": {}, "epoch": {}, "loss": {:.9g}, "grad_norm": {:.9g}, "lr": {:.9g}}})", row.step,
                       row.epoch, row.loss, row.grad_norm, row.learning_rate)
        << "\n";
  if (row.step % 16 == 0) file_.flush();
}

}  // namespace imago::program
