#include "data/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace imago::data {
namespace fs = std::filesystem;
namespace {

constexpr const char *kPrefix = ".imago-", *kSuffix = ".tmp";

// A name that no other file of this process, or of another one that lives now, has.
std::string temporary_name(const fs::path& path) {
  static std::atomic<unsigned> count{0};
  // Short: the name of the destination may already be as long as a name can be.
  const std::string name = concat(kPrefix, ::getpid(), "-", count.fetch_add(1), kSuffix);
  return (path.parent_path() / name).string();
}

// Some file systems cannot sync (EINVAL, ENOTSUP); every other failure means that bytes may be missing.
bool synced(int descriptor) { return ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP; }

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(path.string()) {
  IMAGO_CHECK(path.has_filename(), "cannot write ", path_.empty() ? "\"\"" : path_,
              ": it has no file name");
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  // A rename would replace /dev/null as readily as a file.
  IMAGO_CHECK(!fs::exists(status) || fs::is_regular_file(status), "cannot write ", path_,
              ": it is not a regular file");
  temporary_ = temporary_name(path);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  IMAGO_CHECK(descriptor_ >= 0, "cannot write ", path_, ": ", std::strerror(errno));
}

AtomicFile::~AtomicFile() { close_and_remove(); }

void AtomicFile::close_and_remove() noexcept {
  if (descriptor_ < 0) return;
  ::close(std::exchange(descriptor_, -1));
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
  IMAGO_CHECK(descriptor_ >= 0, "cannot write ", path_, ": it is already complete");
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t put = ::write(descriptor_, next, count);
    if (put < 0 && errno == EINTR) continue;
    IMAGO_CHECK(put >= 0, "cannot write ", path_, ": ", std::strerror(errno));
    next += put;
    count -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  IMAGO_CHECK(descriptor_ >= 0, "cannot write ", path_, ": it is already complete");
  if (!synced(descriptor_) || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    close_and_remove();
    fail("cannot write ", path_, ": ", std::strerror(reason));
  }
  ::close(std::exchange(descriptor_, -1));
  sync(folder_of(path_));
}

void write_file(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

bool is_temporary_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(kPrefix) && name.ends_with(kSuffix);
}

void sync(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  IMAGO_CHECK(descriptor >= 0, "cannot write ", path.string(), ": ", std::strerror(errno));
  const bool good = synced(descriptor);
  const int reason = errno;
  ::close(descriptor);
  IMAGO_CHECK(good, "cannot write ", path.string(), ": ", std::strerror(reason));
}

void sync_tree(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory() || entry.is_regular_file()) sync(entry.path());
  sync(folder);
}

}  // namespace imago::data
