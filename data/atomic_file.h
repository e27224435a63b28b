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
  // Flushes to the disk and renames; when it returns, a power cut leaves the new file.
  void commit();

 private:
  void close_and_remove() noexcept;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

// The whole file at once.
void write_file(const std::filesystem::path& path, std::string_view bytes);

// Whether `path` has a name that AtomicFile gives to temporary files. One that nobody writes to any more is what a
// process left that was killed.
bool is_temporary_file(const std::filesystem::path& path);

// Waits until the bytes of a file, or the names in a folder, are on the disk. Throws "cannot write PATH: reason".
void sync(const std::filesystem::path& path);
// The same for a folder and everything in it.
void sync_tree(const std::filesystem::path& folder);

}  // namespace imago::data
