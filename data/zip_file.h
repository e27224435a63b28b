// Zip archives whose entries are stored, not compressed: what torch.save() writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/input_file.h"

namespace imago::data {

// An open archive whose directory has been read and checked. Anything that cannot be read throws
// `zip: FILE: reason`.
class ZipFile {
 public:
  struct Entry {
    std::string name;
    uint64_t header;  // where its local header starts in the file
    uint64_t size;    // bytes
    uint32_t crc;
  };

  static ZipFile open(const std::filesystem::path& path);

  const std::vector<Entry>& entries() const { return entries_; }  // by name
  const Entry* find(std::string_view name) const;                 // null if there is none
  // The bytes of an entry, whose checksum has been checked.
  std::string read(const Entry& entry) const;
  const std::string& path() const { return file_.path(); }

 private:
  explicit ZipFile(const std::filesystem::path& path) : file_(path) {}

  InputFile file_;
  std::vector<Entry> entries_;
};

}  // namespace imago::data
