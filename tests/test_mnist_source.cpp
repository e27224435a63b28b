#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "data/atomic_file.h"
#include "data/idx.h"
#include "data/input_file.h"
#include "data/mnist_source.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using data::find_mnist;
using data::MnistSource;
namespace fs = std::filesystem;

namespace {

const std::string kScript = IMAGO_SOURCE_DIR "/scripts/fetch_mnist.cmake";

// A test of its own working folder and its own $IMAGO_DATA_DIR.
class Elsewhere {
 public:
  explicit Elsewhere(const std::string& data_dir) : cwd_(fs::current_path()) {
    if (const char* old = std::getenv("IMAGO_DATA_DIR")) old_ = old;
    fs::current_path(folder.path());
    ::setenv("IMAGO_DATA_DIR", data_dir.c_str(), 1);
  }
  ~Elsewhere() {
    fs::current_path(cwd_);
    if (old_)
      ::setenv("IMAGO_DATA_DIR", old_->c_str(), 1);
    else
      ::unsetenv("IMAGO_DATA_DIR");
  }
  const TemporaryFolder folder;

 private:
  fs::path cwd_;
  std::optional<std::string> old_;
};

void make_mnist(const fs::path& folder) {
  fs::create_directories(folder);
  for (const std::string part : {"train", "t10k"}) {
    data::write_idx(folder / (part + "-images-idx3-ubyte"), Tensor::zeros({2, 4, 4}, DType::u8));
    data::write_idx(folder / (part + "-labels-idx1-ubyte"), Tensor::zeros({2}, DType::u8));
  }
}

struct Outcome {
  int status;
  std::string output;
};
Outcome run_script(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string log = folder / "log";
  const int status = std::system(("cmake " + arguments + " > '" + log + "' 2>&1").c_str());
  return {WEXITSTATUS(status), data::read_file(log)};
}

}  // namespace

TEST_CASE("auto takes $IMAGO_DATA_DIR, then data/mnist, then the network, then synthetic digits",
          "[mnist_source]") {
  const TemporaryFolder other;
  const Elsewhere here(other.path().string());
  int fetched = 0;
  const data::FetchMnist offline = [&](const fs::path&) { return ++fetched, false; };
  const data::FetchMnist online = [&](const fs::path& to) {
    return ++fetched, make_mnist(to), true;
  };
  const std::string both = other.path().string() + "/mnist or data/mnist";
  const std::string remedy = "; `cmake -DDEST=data/mnist -P scripts/fetch_mnist.cmake` fetches it";

  const MnistSource none = find_mnist("auto");
  CHECK(none.synthetic);
  CHECK(none.sentence == "data: built-in synthetic digits (no MNIST in " + both + remedy + ")");
  const MnistSource failed = find_mnist("auto", offline);
  CHECK(failed.synthetic);
  CHECK(failed.sentence == "data: built-in synthetic digits (no MNIST in " + both +
                               ", and the download failed" + remedy + ")");
  CHECK_THROWS_WITH(find_mnist("mnist"), "mnist: there is no MNIST in " + both + remedy);
  CHECK_THROWS_WITH(find_mnist("mnist", offline),
                    "mnist: there is no MNIST in " + both + ", and the download failed" + remedy);
  CHECK(fetched == 2);

  const MnistSource loaded = find_mnist("auto", online);
  CHECK_FALSE(loaded.synthetic);
  CHECK(loaded.folder == "data/mnist");
  CHECK(loaded.sentence == "data: MNIST, downloaded to data/mnist");
  CHECK(fetched == 3);
  CHECK(find_mnist("auto", online).sentence == "data: MNIST from data/mnist");
  CHECK(find_mnist("mnist", online).sentence == "data: MNIST from data/mnist");
  make_mnist(other / "mnist");
  const MnistSource named = find_mnist("auto", online);
  CHECK(named.sentence == "data: MNIST from " + (other / "mnist"));
  CHECK(named.load(data::MnistPart::train).images.shape() == Shape{2, 4, 4, 1});
  CHECK(fetched == 3);
}

TEST_CASE("a download that says it worked but left nothing is no download", "[mnist_source]") {
  const Elsewhere here("");
  const MnistSource source = find_mnist("auto", [](const fs::path&) { return true; });
  CHECK(source.synthetic);
  CHECK(source.sentence.find("no MNIST in data/mnist, and the download failed") !=
        std::string::npos);
}

TEST_CASE("a source can be asked for by name", "[mnist_source]") {
  const Elsewhere here("");
  const MnistSource synthetic = find_mnist("synthetic");
  CHECK(synthetic.synthetic);
  CHECK(synthetic.sentence == "data: built-in synthetic digits");
  CHECK(synthetic.load(data::MnistPart::test).images.shape() == Shape{2000, 28, 28, 1});
  const std::string folder = here.folder / "my digits";
  make_mnist(folder);
  const MnistSource named = find_mnist(folder);
  CHECK(named.folder == folder);
  CHECK(named.sentence == "data: MNIST from " + folder);
  fs::remove(fs::path(folder) / "t10k-labels-idx1-ubyte");
  CHECK_THROWS_WITH(find_mnist(folder),
                    "mnist: there is no " + folder +
                        "/t10k-labels-idx1-ubyte(.gz); fetch it with `cmake -DDEST=" + folder +
                        " -P scripts/fetch_mnist.cmake`");
}

TEST_CASE("the fetch command runs the script in whatever folder it is in",
          "[mnist_source][fetch]") {
  const TemporaryFolder folder;
  CHECK_FALSE(data::fetch_mnist_by(folder / "no such script"));
  fs::create_directory(folder / "it's here");
  const std::string script = folder / "it's here/fetch.cmake";
  data::write_file(script, "file(WRITE \"${DEST}/seen\" \"\")\n");
  const data::FetchMnist fetch = data::fetch_mnist_by(script);
  REQUIRE(fetch);
  CHECK(fetch(folder / "a 'b' $HOME"));
  CHECK(fs::exists(folder / "a 'b' $HOME/seen"));
  data::write_file(script, "message(FATAL_ERROR no)\n");
  CHECK_FALSE(fetch(folder.path()));
}

TEST_CASE("a download that is stopped by Ctrl-C is not replaced by synthetic digits",
          "[mnist_source][fetch]") {
  const TemporaryFolder folder;
  const Elsewhere here("");
  const std::string script = folder / "fetch.cmake";
  data::write_file(script, "execute_process(COMMAND sh -c \"kill -INT $PPID\")\n");
  const data::FetchMnist fetch = data::fetch_mnist_by(script);
  const auto before = std::signal(SIGINT, SIG_DFL);  // background jobs ignore it
  CHECK_THROWS_WITH(fetch(folder.path()), "download interrupted");
  CHECK_THROWS_WITH(find_mnist("auto", fetch), "download interrupted");
  std::signal(SIGINT, before);
}

TEST_CASE("a download leaves standard output to the program", "[mnist_source][fetch]") {
  const TemporaryFolder folder;
  const std::string script = folder / "fetch.cmake", out = folder / "out", err = folder / "err";
  data::write_file(script, "message(STATUS \"half of it is there\")\n");
  const data::FetchMnist fetch = data::fetch_mnist_by(script);
  const int kept_out = ::dup(1), kept_err = ::dup(2);
  ::dup2(::open(out.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), 1);
  ::dup2(::open(err.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), 2);
  const bool fetched = fetch(folder.path());
  ::dup2(kept_out, 1), ::dup2(kept_err, 2);
  ::close(kept_out), ::close(kept_err);
  CHECK(fetched);
  CHECK(data::read_file(out).empty());
  CHECK_THAT(data::read_file(err), Contains("half of it is there"));
}

TEST_CASE("fetch_mnist.cmake says what failed and leaves nothing behind", "[mnist_source][fetch]") {
  const TemporaryFolder folder;
  const std::string name = "t10k-labels-idx1-ubyte.gz";
  fs::create_directories(folder / "bad");
  data::write_file(folder / ("bad/" + name), "not the labels");
  const std::string mirrors = "file://" + (folder / "none") + ";file://" + (folder / "bad");
  const Outcome outcome = run_script(
      folder, "-DDEST='" + (folder / "to") + "' '-DMIRRORS=" + mirrors + "' -P '" + kScript + "'");
  CHECK(outcome.status != 0);
  CHECK_THAT(outcome.output, Contains("MNIST could not be downloaded:"));
  CHECK_THAT(outcome.output, Contains("/none/" + name + ": "));
  CHECK_THAT(outcome.output,
             Contains("/bad/" + name + ": not the file that was asked for, its SHA-256 is"));
  CHECK_THAT(outcome.output, Contains(folder / "to"));
  CHECK(fs::is_empty(folder / "to"));
}

TEST_CASE("fetch_mnist.cmake fetches and checks the files", "[mnist_source][fetch][data]") {
  if (data_dir().empty()) {
    WARN("skipped: IMAGO_DATA_DIR is not set, so there is no MNIST to serve as a mirror");
    return;
  }
  const TemporaryFolder folder;
  const std::string to = folder / "to",
                    mirrors = "file://" + (folder / "none") + ";file://" + data_dir() + "/mnist";
  // -D after -P is understood too
  const Outcome outcome =
      run_script(folder, "-P '" + kScript + "' -DDEST='" + to + "' '-DMIRRORS=" + mirrors + "'");
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.output, Contains("MNIST is in " + to));
  CHECK(data::has_mnist(to));
  CHECK(data::load_mnist(to, data::MnistPart::test).size() == 10000);

  // once more: three are there and right, a damaged one is fetched again
  data::write_file(to + "/train-labels-idx1-ubyte.gz", "damaged");
  const Outcome again =
      run_script(folder, "-DDEST='" + to + "' '-DMIRRORS=" + mirrors + "' -P '" + kScript + "'");
  CHECK(again.status == 0);
  CHECK_THAT(again.output, Contains("train-images-idx3-ubyte.gz is there"));
  CHECK_THAT(again.output, Contains("train-labels-idx1-ubyte.gz from file://"));
  CHECK(data::load_mnist(to, data::MnistPart::train).size() == 60000);
}
