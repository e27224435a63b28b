// A file that one process at a time can hold: two that write to the same folder would spoil each other's files.
#pragma once

#include <filesystem>
#include <string>

namespace imago::data {

class FileLock {
 public:
  // Creates the file and takes hold of it. Throws "cannot write PATH: reason" if it cannot be created, and
  // "`busy` (process N)" if another process, or another FileLock, holds it.
  FileLock(const std::filesystem::path& path, const std::string& busy);
  // Lets go and removes the file. The system does the former for a process that dies, in whatever way.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace imago::data
