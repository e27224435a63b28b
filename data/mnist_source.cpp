#include "data/mnist_source.h"

#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "core/check.h"
#include "data/synthetic_digits.h"

namespace imago::data {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kSyntheticTrain = 20000, kSyntheticTest = 2000;
constexpr const char* kDownloadFolder = "data/mnist";

// For a POSIX shell.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Whether Ctrl-C ended a command. While it runs, std::system() keeps the signal from this process.
bool was_interrupted(int status) {
  constexpr int kShellsWord = 128 + SIGINT;  // for a command that the signal killed
  return (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) ||
         (WIFEXITED(status) && WEXITSTATUS(status) == kShellsWord);
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders;
  const char* dir = std::getenv("IMAGO_DATA_DIR");
  if (dir && *dir) folders.push_back(fs::path(dir) / "mnist");
  folders.emplace_back(kDownloadFolder);
  return folders;
}

std::string listed(const std::vector<fs::path>& folders) {
  std::string out;
  for (const fs::path& folder : folders) out += (out.empty() ? "" : " or ") + folder.string();
  return out;
}

}  // namespace

FetchMnist fetch_mnist_by(const fs::path& script) {
  std::error_code ignored;
  if (!fs::exists(script, ignored)) return {};
  return [script](const fs::path& folder) {
    const std::string destination = shell_quoted("-DDEST=" + folder.string());
    // What went wrong is told by the program, in its own words.
    const int status = std::system(
        concat("cmake ", destination, " -P ", shell_quoted(script.string()), " 1>&2 2>/dev/null")
            .c_str());
    IMAGO_CHECK(!was_interrupted(status), "download interrupted");
    return status == 0;
  };
}

ImageDataset MnistSource::load(MnistPart part) const {
  if (!synthetic) return load_mnist(folder, part);
  return part == MnistPart::train ? synthetic_digits(kSyntheticTrain)
                                  : synthetic_digits(kSyntheticTest, 0, kSyntheticTrain);
}

MnistSource find_mnist(const std::string& choice, const FetchMnist& fetch) {
  if (choice == "synthetic")
    return {.synthetic = true, .sentence = "data: built-in synthetic digits"};
  if (choice != "auto" && choice != "mnist") {
    require_mnist(choice);
    return {.synthetic = false, .folder = choice, .sentence = "data: MNIST from " + choice};
  }
  const std::vector<fs::path> folders = usual_folders();
  for (const fs::path& folder : folders)
    if (has_mnist(folder))
      return {
          .synthetic = false, .folder = folder, .sentence = "data: MNIST from " + folder.string()};
  const fs::path target = kDownloadFolder;
  if (fetch && fetch(target) && has_mnist(target))
    return {.synthetic = false,
            .folder = target,
            .sentence = "data: MNIST, downloaded to " + target.string()};

  const std::string reason =
      concat("no MNIST in ", listed(folders), fetch ? ", and the download failed" : "");
  const std::string remedy = concat("`", fetch_mnist_command(target), "` fetches it");
  IMAGO_CHECK(choice == "auto", "mnist: there is ", reason, "; ", remedy);
  return {.synthetic = true,

          .sentence = concat("data: built-in synthetic digits (", reason, "; ", remedy, ")")};
}

}  // namespace imago::data
