// Reading files by offset, with errors that name the file. Nothing here maps memory: a file that
// shrinks while it is being read is then an error like any other and not a signal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace imago::data {

// A regular file that is open for reading.
class InputFile {
 public:
  // Throws "cannot read PATH: reason".
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // when it was opened
  // `bytes` bytes from `offset` on. Throws if the file has fewer. Thread-safe.
  void read_at(uint64_t offset, void* out, size_t bytes) const;

 private:
  std::string path_;
  uint64_t size_ = 0;
  int descriptor_ = -1;
};

// The whole file.
std::string read_file(const std::filesystem::path& path);

}  // namespace imago::data
