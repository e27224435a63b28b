#include "examples/program/run_directory.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/atomic_file.h"

namespace imago::program {
namespace {

constexpr const char* kPrefix = "checkpoint-";

// The N of checkpoint-N, or -1.
int64_t step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  int64_t step = -1;
  if (!name.starts_with(kPrefix)) return -1;
  const char *begin = name.data() + std::string_view(kPrefix).size(),
             *end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, step);
  return error == std::errc() && stop == end ? step : -1;
}

// What a run writes, beside checkpoint-N folders.
constexpr const char* kRunFiles[] = {"metrics.jsonl", "samples",        "model",
                                     "final.png",     "loss.svg",       "run.json",
                                     "denoising.png", "predictions.png"};

bool holds_anything(const fs::path& path) {
  return fs::exists(path) && !(fs::is_directory(path) && fs::is_empty(path));
}
bool holds_run(const fs::path& path) {
  return fs::exists(path / "metrics.jsonl") || !checkpoints(path).empty();
}

void remove_run(const fs::path& path) {
  for (const char* name : kRunFiles) fs::remove_all(path / name);
  for (const fs::path& checkpoint : checkpoints(path)) fs::remove_all(checkpoint);
}

fs::path first_free(const fs::path& path) {
  fs::path candidate = path;
  for (int i = 2; holds_anything(candidate); ++i)
    candidate = fmt::format("{}-{}", path.string(), i);
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
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return step_of(a) < step_of(b); });
  return found;
}

void rotate_checkpoints(const fs::path& run, int64_t limit) {
  const std::vector<fs::path> all = checkpoints(run);
  if (limit <= 0) return;
  for (size_t i = 0; i + static_cast<size_t>(limit) < all.size(); ++i) {
    const fs::path doomed =
        all[i].string() + ".tmp";  // half deleted, it must not look like a checkpoint
    fs::remove_all(doomed);
    fs::rename(all[i], doomed);
    fs::remove_all(doomed);
  }
}

void abandon_checkpoints(const fs::path& run, int64_t step) {
  for (const fs::path& checkpoint : checkpoints(run)) {
    if (step_of(checkpoint) <= step) continue;
    const fs::path abandoned = checkpoint.string() + ".abandoned";
    fs::remove_all(abandoned);
    fs::rename(checkpoint, abandoned);
  }
}

void replace_directory(const fs::path& temporary, const fs::path& path) {
  const fs::path old = path.string() + ".old";
  fs::remove_all(old);
  if (fs::exists(path)) fs::rename(path, old);
  fs::rename(temporary, path);
  fs::remove_all(old);
}

RunDirectory::RunDirectory(const RunOptions& options) {
  const bool named = !options.output_dir.empty();
  path_ = named ? fs::path(options.output_dir) : fs::path(options.default_dir);
  if (options.resume.empty()) {
    if (!named) path_ = first_free(path_);
    if (holds_run(path_)) {
      IMAGO_CHECK(options.overwrite, "output directory ", path_.string(),
                  " already holds a run; continue it with "
                  "--resume-from-checkpoint latest, choose another --output-dir, or pass "
                  "--overwrite-output-dir");
      remove_run(path_);
    }
    IMAGO_CHECK(!holds_anything(path_), "output directory ", path_.string(),
                " holds things that are no run's; choose another --output-dir");
  } else if (options.resume == "latest") {
    if (!named) path_ = newest_run(path_);
    const std::vector<fs::path> all = checkpoints(path_);
    IMAGO_CHECK(!all.empty(), "no checkpoint to resume from in ", path_.string());
    resume_from_ = all.back();
  } else {
    resume_from_ = fs::path(options.resume).lexically_normal();
    if (!resume_from_.has_filename()) resume_from_ = resume_from_.parent_path();
    IMAGO_CHECK(fs::is_directory(resume_from_) && step_of(resume_from_) >= 0,
                "--resume-from-checkpoint must be 'latest' or "
                "the path of a checkpoint-N folder, got '",
                options.resume, "'");
    const fs::path home =
        resume_from_.has_parent_path() ? resume_from_.parent_path() : fs::path(".");
    if (!named) path_ = home;
    IMAGO_CHECK(!holds_anything(path_) || fs::equivalent(path_, home), "output directory ",
                path_.string(),
                " holds another run than the one to resume; choose another --output-dir");
  }
  std::error_code error;
  fs::create_directories(path_ / "samples", error);
  IMAGO_CHECK(!error, "cannot make the output directory ", path_.string(), ": ", error.message());
}

fs::path RunDirectory::sample_path(const std::string& name, int64_t step) const {
  return path_ / "samples" / fmt::format("{}-{:06}.png", name, step);
}

fs::path RunDirectory::checkpoint_path(int64_t step) const {
  return path_ / fmt::format("{}{:06}", kPrefix, step);
}

MetricsLog::MetricsLog(const fs::path& path, int64_t last_step) : path_(path) {
  std::string kept;
  if (std::ifstream old(path); old && last_step > 0)
    for (std::string line; std::getline(old, line);) {
      const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
      const auto number = [&](const char* key) {
        return json.is_object() && json.contains(key) && json[key].is_number();
      };
      if (!number("step") || !number("epoch") || !number("loss") || !number("grad_norm") ||
          !number("lr"))
        break;
      if (json["step"] > last_step) break;
      rows_.push_back({json["step"], json["epoch"], json["loss"], json["grad_norm"], json["lr"]});
      kept += line + "\n";
    }
  data::write_file(path, kept);
  file_.open(path, std::ios::app);
  IMAGO_CHECK(file_, "cannot write ", path.string());
}

void MetricsLog::flush() { IMAGO_CHECK(file_.flush(), "cannot write ", path_.string()); }

void MetricsLog::append(const Row& row) {
  rows_.push_back(row);
  file_ << fmt::format(
               R"({{"step": {}, "epoch": {}, "loss": {:.9g}, "grad_norm": {:.9g}, "lr": {:.9g}}})",
               row.step, row.epoch, row.loss, row.grad_norm, row.learning_rate)
        << "\n";
  if (row.step % 16 == 0) flush();
}

}  // namespace imago::program
