#include "data/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace imago::data {

InputFile::InputFile(const std::filesystem::path& path) : path_(path.string()) {
  struct stat status;
  IMAGO_CHECK(::stat(path_.c_str(), &status) == 0, "cannot read ", path_, ": ",
              std::strerror(errno));
  IMAGO_CHECK(S_ISREG(status.st_mode), "cannot read ", path_, ": it is not a regular file");
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  IMAGO_CHECK(descriptor_ >= 0, "cannot read ", path_, ": ", std::strerror(errno));
  size_ = static_cast<uint64_t>(status.st_size);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      size_(other.size_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

void InputFile::read_at(uint64_t offset, void* out, size_t bytes) const {
  char* next = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = ::pread(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    IMAGO_CHECK(got >= 0, "cannot read ", path_, ": ", std::strerror(errno));
    IMAGO_CHECK(got > 0, "cannot read ", path_, ": it ends at byte ", offset, ", ", bytes,
                " bytes too early");
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

std::string read_file(const std::filesystem::path& path) {
  const InputFile file(path);
  std::string bytes(file.size(), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace imago::data
