// Writing files so that nobody ever sees half of one: the bytes go to a temporary name in the same
// folder, which takes the place of the destination only when they are all on the disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace imago::data {

class AtomicFile {
 public:
  // Creates the temporary file. Throws "cannot write PATH: reason", as the other members do.
  explicit AtomicFile(const std::filesystem::path& path);
  // Without commit() the temporary file is removed and the destination is as it was.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, size_t count);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  // Flushes to the disk and renames.
  void commit();

 private:
  void close_and_remove() noexcept;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

// The whole file at once.
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace imago::data
