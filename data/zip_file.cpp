#include "data/zip_file.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "data/gzip.h"
#include "data/in_quotes.h"

namespace imago::data {
namespace {

using Entry = ZipFile::Entry;

// Numbers that do not fit their field are these there, and stand in a 64-bit field elsewhere.
constexpr uint64_t kTooLarge16 = 0xffff, kTooLarge32 = 0xffffffff;
constexpr uint64_t kMaxDirectory = 64 << 20;
constexpr size_t kEnd = 22, kLocator = 20, kEnd64 = 56, kLocalHeader = 30;

// The fields of a record, each behind the one before it.
class Record {
 public:
  Record(const InputFile& file, uint64_t offset, uint64_t length) : file_(file.path()) {
    IMAGO_CHECK(offset <= file.size() && length <= file.size() - offset, "zip: ", file_,
                ": it is cut off");
    bytes_.resize(length);
    file.read_at(offset, bytes_.data(), bytes_.size());
  }

  std::string_view text(size_t length) {
    IMAGO_CHECK(length <= bytes_.size() - at_, "zip: ", file_, ": its directory is cut off");
    return std::string_view(bytes_).substr(std::exchange(at_, at_ + length), length);
  }
  uint64_t number(size_t width) {  // little-endian
    uint64_t value = 0;
    const std::string_view field = text(width);
    for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(field[i]);
    return value;
  }
  void signature(std::string_view expected) {
    IMAGO_CHECK(text(4) == expected, "zip: ", file_, ": its directory is damaged");
  }
  size_t at() const { return at_; }

 private:
  const std::string& file_;
  std::string bytes_;
  size_t at_ = 0;
};

struct Directory {
  uint64_t count, size, offset;
};

// The record at the end of the file, before a comment if there is one, tells where the rest is.
Directory find_directory(const InputFile& file) {
  const uint64_t known = std::min<uint64_t>(file.size(), kEnd + kTooLarge16);
  const uint64_t tail_offset = file.size() - known;
  const size_t in_tail = Record(file, tail_offset, known).text(known).rfind("PK\5\6");
  IMAGO_CHECK(in_tail != std::string_view::npos && known - in_tail >= kEnd, "zip: ", file.path(),
              ": it is cut off, or not a zip archive");
  const uint64_t end_offset = tail_offset + in_tail;
  Record end(file, end_offset, kEnd);
  end.text(4 + 2 + 2 + 2);  // signature, numbers of disks, entries on this disk
  const Directory small = {.count = end.number(2), .size = end.number(4), .offset = end.number(4)};
  if (small.count != kTooLarge16 && small.size != kTooLarge32 && small.offset != kTooLarge32)
    return small;

  IMAGO_CHECK(end_offset >= kLocator, "zip: ", file.path(), ": it is cut off");
  Record locator(file, end_offset - kLocator, kLocator);
  locator.signature("PK\6\7");
  locator.text(4);
  Record end64(file, locator.number(8), kEnd64);
  end64.signature("PK\6\6");
  end64.text(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, numbers of disks, entries on this disk
  return {.count = end64.number(8), .size = end64.number(8), .offset = end64.number(8)};
}

// One entry of the directory.
Entry read_entry(const std::string& file, Record& record) {
  record.signature("PK\1\2");
  record.text(2 + 2);  // versions
  const uint64_t flags = record.number(2), method = record.number(2);
  record.text(2 + 2);  // time, date
  const auto crc = static_cast<uint32_t>(record.number(4));
  uint64_t packed = record.number(4), size = record.number(4);
  const uint64_t name_length = record.number(2), extra_length = record.number(2),
                 comment_length = record.number(2);
  record.text(2 + 2 + 4);  // disk, attributes
  uint64_t header = record.number(4);
  const std::string name(record.text(name_length));

  const size_t extra_end = record.at() + extra_length;
  while (record.at() + 4 <= extra_end) {
    const uint64_t kind = record.number(2), length = record.number(2), begin = record.at();
    IMAGO_CHECK(begin + length <= extra_end, "zip: ", file, ": its directory is damaged");
    if (kind == 1)
      for (uint64_t* field : {&size, &packed, &header})
        if (*field == kTooLarge32 && record.at() + 8 <= begin + length) *field = record.number(8);
    record.text(begin + length - record.at());
  }
  record.text(extra_end - record.at() + comment_length);
  IMAGO_CHECK((flags & 1) == 0 && method == 0 && packed == size, "zip: ", file, ": ",
              in_quotes(name), " is compressed or encrypted, as PyTorch does not write it");
  return {.name = name, .header = header, .size = size, .crc = crc};
}

}  // namespace

ZipFile ZipFile::open(const std::filesystem::path& path) {
  ZipFile out(path);
  const std::string& file = out.path();
  const Directory directory = find_directory(out.file_);
  IMAGO_CHECK(directory.size <= kMaxDirectory, "zip: ", file, ": its directory must have at most ",
              kMaxDirectory, " bytes, got ", directory.size);
  Record record(out.file_, directory.offset, directory.size);
  for (uint64_t i = 0; i < directory.count; ++i) out.entries_.push_back(read_entry(file, record));

  std::ranges::sort(out.entries_, {}, &Entry::name);
  const auto twice = std::ranges::adjacent_find(out.entries_, {}, &Entry::name);
  IMAGO_CHECK(twice == out.entries_.end(), "zip: ", file, ": ", in_quotes(twice->name),
              " is there twice");
  return out;
}

const Entry* ZipFile::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(entries_, name, {},
                                           [](const Entry& e) { return std::string_view(e.name); });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

std::string ZipFile::read(const Entry& entry) const {
  Record local(file_, entry.header, kLocalHeader);
  local.signature("PK\3\4");
  local.text(kLocalHeader - 4 - 2 - 2);
  const uint64_t lengths = local.number(2) + local.number(2);  // of the name and what follows it
  const uint64_t begin = entry.header + kLocalHeader + lengths;
  IMAGO_CHECK(begin <= file_.size() && entry.size <= file_.size() - begin, "zip: ", path(), ": ",
              in_quotes(entry.name), " lies beyond the end of the file");
  std::string bytes(entry.size, '\0');
  file_.read_at(begin, bytes.data(), bytes.size());
  IMAGO_CHECK(crc32(bytes) == entry.crc, "zip: ", path(), ": ", in_quotes(entry.name),
              " is damaged, its checksum does not match");
  return bytes;
}

}  // namespace imago::data
