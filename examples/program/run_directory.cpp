#include "examples/program/run_directory.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
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

// What a run writes, beside checkpoint-N folders. The first of them makes a folder a run's, so it is
// what goes last.
constexpr const char* kRunFiles[] = {"metrics.jsonl", "samples",        "model",
                                     "final.png",     "loss.svg",       "run.json",
                                     "denoising.png", "predictions.png"};
constexpr const char* kLockFile = "run.lock";
constexpr const char *kTemporary = ".tmp", *kReplaced = ".old", *kAbandoned = ".abandoned";

bool holds_anything(const fs::path& path) {
  return fs::exists(path) && !(fs::is_directory(path) && fs::is_empty(path));
}
bool holds_run(const fs::path& path) {
  return fs::exists(path / "metrics.jsonl") || !checkpoints(path).empty();
}
// A folder that a run has begun in, which may have been killed before it wrote anything.
bool holds_beginning(const fs::path& path) {
  return holds_run(path) || fs::is_directory(path / "samples");
}

// Whether it is "checkpoint-N" or "model" with this ending.
bool is_folder_with(const char* ending, const fs::path& path) {
  return path.extension() == ending && (path.stem() == "model" || step_of(path.stem()) >= 0);
}

// Whether a fresh run may use the folder: nothing is in it that anybody could miss.
bool is_free(const fs::path& path) {
  if (!holds_anything(path)) return true;
  if (!fs::is_directory(path)) return false;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const fs::path name = entry.path().filename();
    const bool empty_samples = name == "samples" && fs::is_empty(entry.path());
    if (name != kLockFile && !empty_samples && !data::is_temporary_file(name) && !is_folder_with(kTemporary, name))
      return false;
  }
  return true;
}

void remove_run(const fs::path& path) {
  std::vector<fs::path> doomed = checkpoints(path);
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    for (const char* ending : {kTemporary, kReplaced, kAbandoned})
      if (is_folder_with(ending, entry.path())) doomed.push_back(entry.path());
  for (size_t i = std::size(kRunFiles); i-- > 0;) doomed.push_back(path / kRunFiles[i]);
  for (const fs::path& each : doomed) fs::remove_all(each);
}

void check_place_for_fresh_run(const fs::path& path, bool overwrite) {
  const bool run = holds_run(path);
  IMAGO_CHECK(!run || overwrite, "output directory ", path.string(),
              " already holds a run; continue it with "
              "--resume-from-checkpoint latest, choose another --output-dir, or pass "
              "--overwrite-output-dir");
  IMAGO_CHECK(run || is_free(path), "output directory ", path.string(),
              " holds things that are no run's; choose another --output-dir");
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

// The folder that the checkpoint which was asked for by its path lies in; "latest" does not come here.
fs::path home_of(const fs::path& checkpoint, const std::string& asked) {
  IMAGO_CHECK(fs::is_directory(checkpoint) && step_of(checkpoint) >= 0,
              "--resume-from-checkpoint must be 'latest' or "
              "the path of a checkpoint-N folder, got '",
              asked, "'");
  return checkpoint.has_parent_path() ? checkpoint.parent_path() : fs::path(".");
}

// Gives a whole folder its name. Between the two renames there is none of that name, but recover()
// knows what to do.
void replace_directory(const fs::path& temporary, const fs::path& path) {
  const fs::path old = path.string() + kReplaced;
  fs::remove_all(old);
  if (fs::exists(path)) fs::rename(path, old);
  fs::rename(temporary, path);
  data::sync(path.parent_path());
  fs::remove_all(old);
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
        all[i].string() + kTemporary;  // half deleted, it must not look like a checkpoint
    fs::remove_all(doomed);
    fs::rename(all[i], doomed);
    fs::remove_all(doomed);
  }
}

void abandon_checkpoints(const fs::path& run, int64_t step) {
  for (const fs::path& checkpoint : checkpoints(run)) {
    if (step_of(checkpoint) <= step) continue;
    const fs::path abandoned = checkpoint.string() + kAbandoned;
    fs::remove_all(abandoned);
    fs::rename(checkpoint, abandoned);
  }
}

void write_directory(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const fs::path temporary = path.string() + kTemporary;
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    write(temporary);
    data::sync_tree(temporary);
    replace_directory(temporary, path);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    if (const auto* system = dynamic_cast<const fs::filesystem_error*>(&error))
      fail("cannot write ", path.string(), ": ", system->code().message());
    throw;
  }
}

void recover(const fs::path& run) {
  std::vector<fs::path> entries;
  for (const fs::path& folder : {run, run / "samples"})
    if (fs::is_directory(folder))
      for (const fs::directory_entry& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  for (const fs::path& path : entries) {
    const fs::path replaced = path.parent_path() / path.stem();
    if (is_folder_with(kReplaced, path) && !fs::exists(replaced))
      fs::rename(path, replaced);
    else if (is_folder_with(kReplaced, path) || is_folder_with(kTemporary, path) || data::is_temporary_file(path))
      fs::remove_all(path);
  }
}

RunDirectory::RunDirectory(const RunOptions& options) {
  const bool named = !options.output_dir.empty(), fresh = options.resume.empty(), latest = options.resume == "latest";
  path_ = named ? fs::path(options.output_dir) : fs::path(options.default_dir);
  if (fresh) {
    if (!named) path_ = first_free(path_);
    check_place_for_fresh_run(path_, options.overwrite);
  } else if (latest) {
    if (!named) path_ = newest_run(path_);
    IMAGO_CHECK(holds_beginning(path_), "no checkpoint to resume from in ", path_.string());
  } else {
    resume_from_ = fs::path(options.resume).lexically_normal();
    if (!resume_from_.has_filename()) resume_from_ = resume_from_.parent_path();
    const fs::path home = home_of(resume_from_, options.resume);
    if (!named) path_ = home;
    IMAGO_CHECK(!holds_anything(path_) || fs::equivalent(path_, home), "output directory ",
                path_.string(),
                " holds another run than the one to resume; choose another --output-dir");
  }
  std::error_code error;
  fs::create_directories(path_ / "samples", error);
  IMAGO_CHECK(!error, "cannot make the output directory ", path_.string(), ": ", error.message());
  lock_ = std::make_unique<data::FileLock>(
      path_ / kLockFile, concat("output directory ", path_.string(), " is in use by another run"));

  recover(path_);
  if (fresh) {  // once more: another run may just have ended here
    check_place_for_fresh_run(path_, options.overwrite);
    if (holds_run(path_)) remove_run(path_);
    check_place_for_fresh_run(path_, options.overwrite);
    fs::create_directories(path_ / "samples");
  }
  if (latest) {
    const std::vector<fs::path> all = checkpoints(path_);
    starts_over_ = all.empty();
    if (!starts_over_) resume_from_ = all.back();
  }
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

void MetricsLog::flush() {
  IMAGO_CHECK(file_.flush(), "cannot write ", path_.string(), ": ", std::strerror(errno));
}

void MetricsLog::sync() {
  flush();
  data::sync(path_);
}

void MetricsLog::append(const Row& row) {
  rows_.push_back(row);
  file_ << fmt::format(
               R"({{"step": {}, "epoch": {}, "loss": {:.9g}, "grad_norm": {:.9g}, "lr": {:.9g}}})",
               row.step, row.epoch, row.loss, row.grad_norm, row.learning_rate)
        << "\n";
  if (row.step % 16 == 0) flush();
}

}  // namespace imago::program
