// What the example programs share: progress lines, run folders, metrics, hints for wrong flags.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "examples/program/command_line.h"
#include "examples/program/progress.h"
#include "examples/program/run_directory.h"
#include "examples/program/training_flags.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::program;
using namespace imago::test;

namespace {

// A folder that is gone after the test.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("imago-test-" + std::to_string(getpid()));
  TemporaryFolder() { fs::remove_all(path), fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void touch(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

// Runs the command line "test ARGS..." and returns the exit code.
int run_flags(
    std::vector<std::string> args, TrainingFlags& flags,
    const std::function<int()>& body = [] { return 0; }) {
  CLI::App app("", "test");
  add_training_flags(app, flags);
  args.insert(args.begin(), "test");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  return run(app, static_cast<int>(argv.size()), argv.data(), body);
}

}  // namespace

TEST_CASE("progress_line says what a trainer wants to know", "[program]") {
  CHECK(progress_line({.step = 120,
                       .total = 938,
                       .epoch = 1,
                       .epochs = 2,
                       .loss = 0.07123,
                       .grad_norm = 0.341,
                       .learning_rate = 1e-3,
                       .images_per_second = 811.6,
                       .seconds_left = 61.4}) ==
        "step 120/938 | epoch 1/2 | loss 0.0712 | lr 1.00e-03 | grad 0.34 | 812 img/s | 1:01 left");
  CHECK(duration(75) == "1:15");
  CHECK(duration(3725) == "1:02:05");
  CHECK(duration(-3) == "0:00");
  CHECK(megabytes(12345678) == "12.3 MB");
  CHECK(megabytes(1234567890) == "1235 MB");
  CHECK(resident_bytes() > 1000000);
}

TEST_CASE("a log gets plain lines: the first, the last, and no control characters", "[program]") {
  std::FILE* file = std::tmpfile();
  {
    Progress progress(3, 1, 0, file, 1000);
    for (int64_t i = 1; i <= 3; ++i) progress.step(i, 1, 64, 0.5, 0.1, 1e-3);
    progress.note("saved it");
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  CHECK_THAT(text, Catch::Matchers::StartsWith("step 1/3 | epoch 1/1 | loss 0.5000"));
  CHECK_THAT(text, Contains("\nstep 3/3") && Catch::Matchers::EndsWith("\nsaved it\n") &&
                       !Contains("step 2/3"));
  CHECK(text.find('\033') == std::string::npos);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("the shown loss is an average that starts without bias", "[program]") {
  std::FILE* file = std::tmpfile();
  Progress progress(1000, 1, 0, file, 1000);
  progress.step(1, 1, 1, 4.0, 0, 0);
  CHECK(progress.last().loss == Approx(4.0));
  for (int64_t i = 2; i <= 1000; ++i) progress.step(i, 1, 1, 1.0, 0, 0);
  CHECK(progress.last().loss == Approx(1.0).margin(1e-6));
  std::fclose(file);
}

TEST_CASE("a run never overwrites another", "[program]") {
  const TemporaryFolder folder;
  const std::string base = (folder.path / "mnist").string();
  CHECK(RunDirectory({.default_dir = base}).path() == base);
  CHECK(RunDirectory({.default_dir = base}).path() == base + "-2");
  CHECK(RunDirectory({.default_dir = base}).path() == base + "-3");

  touch(folder.path / "mine" / "metrics.jsonl");
  CHECK_THROWS_WITH(RunDirectory({.output_dir = (folder.path / "mine").string()}),
                    Contains("already holds a run") && Contains("--resume-from-checkpoint latest"));
  CHECK(fs::exists(folder.path / "mine" / "metrics.jsonl"));
  RunDirectory({.output_dir = (folder.path / "mine").string(), .overwrite = true});
  CHECK_FALSE(fs::exists(folder.path / "mine" / "metrics.jsonl"));

  // overwriting a run spares what is not the run's, and a folder without a run is nobody's to
  // overwrite
  touch(folder.path / "mine" / "metrics.jsonl");
  touch(folder.path / "mine" / "thesis.tex");
  CHECK_THROWS_WITH(
      RunDirectory({.output_dir = (folder.path / "mine").string(), .overwrite = true}),
      Contains("holds things that are no run's"));
  CHECK(fs::exists(folder.path / "mine" / "thesis.tex"));
  touch(folder.path / "home" / "letters");
  CHECK_THROWS_WITH(
      RunDirectory({.output_dir = (folder.path / "home").string(), .overwrite = true}),
      Contains("holds things that are no run's"));
  CHECK(fs::exists(folder.path / "home" / "letters"));
}

TEST_CASE("a run resumes from its newest whole checkpoint", "[program]") {
  const TemporaryFolder folder;
  const fs::path run = folder.path / "run";
  for (const char* name : {"checkpoint-000500", "checkpoint-001000", "checkpoint-1500.tmp",
                           "checkpoint-x", "checkpoint-"})
    touch(run / name / "file");
  CHECK(checkpoints(run) ==
        std::vector<fs::path>{run / "checkpoint-000500", run / "checkpoint-001000"});
  CHECK(RunDirectory({.output_dir = run.string(), .resume = "latest"}).resume_from() ==
        run / "checkpoint-001000");
  const RunDirectory chosen({.resume = (run / "checkpoint-000500/").string()});
  CHECK(chosen.resume_from() == run / "checkpoint-000500");
  CHECK(chosen.path() == run);
  CHECK_THROWS_WITH(
      RunDirectory({.output_dir = (folder.path / "none").string(), .resume = "latest"}),
      Contains("no checkpoint to resume from in"));
  CHECK_THROWS_WITH(
      RunDirectory({.resume = "nowhere"}),
      Contains("must be 'latest' or the path of a checkpoint-N folder, got 'nowhere'"));

  touch(folder.path / "other" / "metrics.jsonl");
  CHECK_THROWS_WITH(RunDirectory({.output_dir = (folder.path / "other").string(),
                                  .resume = (run / "checkpoint-000500").string()}),
                    Contains("holds another run than the one to resume"));

  // without --output-dir the newest numbered run that has a checkpoint is meant
  touch(folder.path / "run-2" / "checkpoint-000010" / "file");
  fs::create_directories(folder.path / "run-3");
  CHECK(RunDirectory({.default_dir = run.string(), .resume = "latest"}).path() ==
        run.string() + "-2");

  rotate_checkpoints(run, 1);
  CHECK(checkpoints(run) == std::vector<fs::path>{run / "checkpoint-001000"});
}

TEST_CASE("a run that goes on from an older checkpoint does not mistake newer ones for its own",
          "[program]") {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint-000500", "checkpoint-001000", "checkpoint-001500"})
    touch(folder.path / name / "file");
  abandon_checkpoints(folder.path, 500);
  CHECK(checkpoints(folder.path) == std::vector<fs::path>{folder.path / "checkpoint-000500"});
  CHECK(fs::exists(folder.path / "checkpoint-001000.abandoned" / "file"));
}

TEST_CASE("write_directory leaves the whole folder or none", "[program]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "checkpoint-000001";
  write_directory(path, [](const fs::path& p) { touch(p / "a"); });
  CHECK(fs::exists(path / "a"));
  CHECK_THROWS(write_directory(path, [](const fs::path& p) {
    touch(p / "b");
    fail("disk full");
  }));
  CHECK(fs::exists(path / "a"));
  CHECK_FALSE(fs::exists(path.string() + ".tmp"));
  write_directory(path, [](const fs::path& p) { touch(p / "c"); });
  CHECK(fs::exists(path / "c"));
  CHECK_FALSE(fs::exists(path / "a"));
  touch(folder.path / "file");
  CHECK_THROWS_WITH(write_directory(folder.path / "file" / "model", [](const fs::path&) {}),
                    "cannot write " + (folder.path / "file" / "model").string() + ": Not a directory");
}

TEST_CASE("what a killed run left behind is tidied up", "[program]") {
  const TemporaryFolder folder;
  const fs::path run = folder.path / "run";
  for (const char* name : {"checkpoint-000002", "checkpoint-000002.old", "checkpoint-000003.tmp", "model.old",
                           "thesis.tmp", "notes.old", "checkpoint-000009.abandoned"})
    touch(run / name / "file");
  for (const char* name : {".imago-12-3.tmp", "samples/.imago-12-4.tmp", "my.tmp"}) touch(run / name);
  const RunDirectory here({.output_dir = run.string(), .resume = "latest"});
  CHECK(here.resume_from() == run / "checkpoint-000002");
  for (const char* gone : {"checkpoint-000002.old", "checkpoint-000003.tmp", "model.old", ".imago-12-3.tmp",
                           "samples/.imago-12-4.tmp"})
    CHECK_FALSE(fs::exists(run / gone));
  CHECK(fs::exists(run / "model" / "file"));  // its replacement did not come
  for (const char* not_ours : {"thesis.tmp", "notes.old", "my.tmp"}) CHECK(fs::exists(run / not_ours));
}

TEST_CASE("a run that ended before its first checkpoint is resumed from its beginning", "[program]") {
  const TemporaryFolder folder;
  const std::string run = (folder.path / "run").string();
  { const RunDirectory killed({.output_dir = run}); }
  touch(folder.path / "run" / "metrics.jsonl");
  const RunDirectory again({.output_dir = run, .resume = "latest"});
  CHECK(again.starts_over());
  CHECK(again.resume_from().empty());
}

TEST_CASE("a folder belongs to one run at a time", "[program]") {
  const TemporaryFolder folder;
  const std::string run = (folder.path / "run").string();
  const std::string busy = "output directory " + run + " is in use by another run (process " +
                           std::to_string(getpid()) + ")";
  {
    const RunDirectory first({.output_dir = run});
    CHECK_THROWS_WITH(RunDirectory({.output_dir = run}), busy);
    touch(folder.path / "run" / "metrics.jsonl");
    CHECK_THROWS_WITH(RunDirectory({.output_dir = run, .overwrite = true}), busy);
    CHECK_THROWS_WITH(RunDirectory({.output_dir = run, .resume = "latest"}), busy);
    CHECK(fs::exists(folder.path / "run" / "metrics.jsonl"));
  }
  CHECK_FALSE(fs::exists(folder.path / "run" / "run.lock"));
  CHECK(RunDirectory({.output_dir = run, .resume = "latest"}).path() == run);
}

TEST_CASE("metrics of a resumed run replace the future of the old one", "[program]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "metrics.jsonl";
  {
    MetricsLog log(path, 0);
    for (int64_t i = 1; i <= 5; ++i) log.append({i, 1, 1.0 / static_cast<double>(i), 0.5, 1e-3});
  }
  const std::string whole = read(path);
  CHECK_THAT(whole, Catch::Matchers::StartsWith(
                        R"({"step": 1, "epoch": 1, "loss": 1, "grad_norm": 0.5, "lr": 0.001})"));
  {
    MetricsLog log(path, 3);
    REQUIRE(log.rows().size() == 3);
    CHECK(log.rows()[2].loss == Approx(1.0 / 3));
    for (int64_t i = 4; i <= 5; ++i) log.append({i, 1, 1.0 / static_cast<double>(i), 0.5, 1e-3});
  }
  CHECK(read(path) == whole);
  std::ofstream(path, std::ios::app) << "{\"step\": \"x\"}\nnot json\n";
  CHECK(MetricsLog(path, 9).rows().size() == 5);  // damaged lines end it
}

TEST_CASE("what steers the training has to be as it was when a run is resumed", "[program]") {
  TrainingFlags plain;
  run_flags({}, plain);
  const std::vector<std::vector<std::string>> steering = {{"--train-batch-size", "7"},
                                                          {"--learning-rate", "2e-3"},
                                                          {"--lr-scheduler", "linear"},
                                                          {"--lr-warmup-steps", "3"},
                                                          {"--adam-beta1", "0.8"},
                                                          {"--adam-beta2", "0.9"},
                                                          {"--adam-epsilon", "1e-5"},
                                                          {"--max-grad-norm", "2"},
                                                          {"--adam-weight-decay", "0.1"},
                                                          {"--ema-inv-gamma", "2"},
                                                          {"--ema-power", "0.5"},
                                                          {"--ema-max-decay", "0.9"},
                                                          {"--seed", "3"},
                                                          {"--no-ema"}};
  for (const auto& args : steering) {
    CAPTURE(args);
    TrainingFlags flags;
    run_flags(args, flags);
    CHECK(flags.settings() != plain.settings());
  }
  CHECK(plain.precision_on(Device::cpu) == "f32");
  CHECK(plain.precision_on(Device::cuda) == "bf16");
  CHECK(plain.precision_on(Device::simt) == "f32");
  plain.precision = "bf16";
  CHECK(plain.precision_on(Device::simt) == "bf16");
  CHECK_THROWS_WITH(plain.precision_on(Device::cpu),
                    "--precision bf16 must be with --device cuda: the CPU's kernels compute in f32");
  const std::vector<std::vector<std::string>> free = {
      {"--gradient-checkpointing", "blocks"}, {"--detect-anomaly"},
      {"--num-epochs", "7"}, {"--max-train-steps", "9"},     {"--eval-batch-size", "3"},
      {"--threads", "1"},    {"--checkpointing-steps", "5"}, {"--output-dir", "elsewhere"}};
  for (const auto& args : free) {
    CAPTURE(args);
    TrainingFlags flags;
    run_flags(args, flags);
    CHECK(flags.settings() == plain.settings());
  }
}

TEST_CASE("a command line comes back as a shell takes it", "[program]") {
  TrainingFlags flags;
  CHECK(run_flags({"--output-dir", "my runs/it's", "--num-epochs=3"}, flags) == 0);
  CHECK(command_line() == R"(test --output-dir 'my runs/it'\''s' --num-epochs=3)");
  CHECK(command_line({"--output-dir="}) == "test --num-epochs=3");
  CHECK(command_line({"--num-epochs="}) == R"(test --output-dir 'my runs/it'\''s')");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("$HOME") == "'$HOME'");
  CHECK(shell_word("a-b_c/d.e=f:1+2") == "a-b_c/d.e=f:1+2");
}

TEST_CASE("flags: underscores are taken, unknown ones get a hint and exit code 2", "[program]") {
  TrainingFlags flags;
  CHECK(run_flags({"--train_batch_size", "32", "--learning-rate=2e-3", "--no-ema"}, flags) == 0);
  CHECK(flags.train_batch_size == 32);
  CHECK(flags.learning_rate == Approx(2e-3));
  CHECK_FALSE(flags.use_ema);
  CHECK(run_flags({"--train-batchsize", "32"}, flags) == kUsageExitCode);
  CHECK(run_flags({"--num-epochs", "-1"}, flags) == kUsageExitCode);
  CHECK(run_flags({"--num-epochs", "many"}, flags) == kUsageExitCode);
  CHECK(run_flags({"--lr-scheduler", "magic"}, flags) == kUsageExitCode);
  CHECK(run_flags({"stray"}, flags) == kUsageExitCode);
  CHECK(run_flags({}, flags, []() -> int { fail("broken file"); }) == kErrorExitCode);
  CHECK(nearest("--train-batchsize", {"--train-batch-size", "--seed"}) == "--train-batch-size");
  CHECK(nearest("--bogus-flag", {"--train-batch-size", "--seed"}) == "");
}
