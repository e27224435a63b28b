#include <sys/stat.h>

#include "data/atomic_file.h"
#include "data/input_file.h"
#include "tests/support.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
namespace fs = std::filesystem;

TEST_CASE("a file appears only when it is complete", "[atomic_file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.txt";
  data::write_file(path, "old");
  data::AtomicFile file(path);
  file.write("new ");
  file.write("bytes");
  CHECK(data::read_file(path) == "old");
  file.commit();
  CHECK(data::read_file(path) == "new bytes");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file that is given up leaves nothing behind", "[atomic_file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.txt";
  data::write_file(path, "old");
  {
    data::AtomicFile file(path);
    file.write("half");
    CHECK(folder.entries() == 2);
  }
  CHECK(data::read_file(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a failed commit removes the temporary file", "[atomic_file][errors]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  data::AtomicFile file(path);
  fs::create_directory(path);  // takes the destination's place behind the file's back
  CHECK_THROWS_WITH(file.commit(), "cannot write " + path + ": Is a directory");
  CHECK(folder.entries() == 1);
  CHECK_THROWS_WITH(file.write("x"), "cannot write " + path + ": it is already complete");
}

TEST_CASE("two files of the same name do not get into each other's way", "[atomic_file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.txt";
  data::AtomicFile first(path), second(path);
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(data::read_file(path) == "first");
  CHECK(folder.entries() == 1);
}

TEST_CASE("writing names the path and the reason", "[atomic_file][errors]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "no/such/folder.txt", here = folder.path().string();
  CHECK_THROWS_WITH(data::write_file(missing, ""),
                    "cannot write " + missing + ": No such file or directory");
  CHECK_THROWS_WITH(data::write_file(here, ""),
                    "cannot write " + here + ": it is not a regular file");
  CHECK_THROWS_WITH(data::write_file("/dev/null", ""),
                    "cannot write /dev/null: it is not a regular file");
  CHECK_THROWS_WITH(data::write_file("", ""), "cannot write \"\": it has no file name");
  CHECK_THROWS_WITH(data::write_file("/tmp/", ""), "cannot write /tmp/: it has no file name");
}

TEST_CASE("reading names the path and the reason", "[input_file][errors]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing", here = folder.path().string(),
                    path = folder / "short";
  CHECK_THROWS_WITH(data::read_file(missing),
                    "cannot read " + missing + ": No such file or directory");
  CHECK_THROWS_WITH(data::read_file(here), "cannot read " + here + ": it is not a regular file");
  data::write_file(path, "0123456789");
  const data::InputFile file(path);
  CHECK(file.size() == 10);
  char out[8];
  CHECK_THROWS_WITH(file.read_at(5, out, 8),
                    "cannot read " + path + ": it ends at byte 10, 3 bytes too early");
  fs::resize_file(path, 2);  // shrinks while it is open
  CHECK_THROWS_WITH(file.read_at(5, out, 5),
                    "cannot read " + path + ": it ends at byte 5, 5 bytes too early");
  file.read_at(0, out, 2);
  CHECK(std::string(out, 2) == "01");
}
