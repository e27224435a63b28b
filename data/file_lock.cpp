#include "data/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"

namespace imago::data {
namespace {

// Whether `path` still is the file that is open: its last holder may have removed it after it was opened.
bool is_at(int descriptor, const std::string& path) {
  struct stat mine {}, there {};
  return ::fstat(descriptor, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

std::string holder(int descriptor) {
  char text[32] = {};
  const ssize_t got = ::pread(descriptor, text, sizeof(text) - 1, 0);
  return got > 0 ? concat(" (process ", text, ")") : "";
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& busy) : path_(path.string()) {
  for (;;) {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    IMAGO_CHECK(file >= 0, "cannot write ", path_, ": ", std::strerror(errno));
    if (::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const std::string who = holder(file);
      ::close(file);
      fail(busy, who);
    }  // other failures: a file system without locks, where there is nothing to hold
    if (is_at(file, path_)) {
      descriptor_ = file;
      break;
    }
    ::close(file);
  }
  const std::string me = std::to_string(::getpid());
  // Who holds it is a courtesy: on a full disk the lock works without.
  if (::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, me.data(), me.size(), 0) < 0) return;
}

FileLock::~FileLock() {
  ::unlink(path_.c_str());  // while it is held, so that it is nobody else's
  ::close(descriptor_);
}

}  // namespace imago::data
