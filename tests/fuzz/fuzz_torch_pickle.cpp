// The pickle of a file of torch.save(), in an archive with four storages of different lengths; and the tensors that it
// says are there.
#include "data/gzip.h"
#include "data/torch_file.h"
#include "tests/fuzz/fuzz.h"

using namespace imago;

namespace {

std::string little(uint64_t value, size_t width) {
  std::string bytes;
  for (; bytes.size() < width; value >>= 8) bytes += static_cast<char>(value);
  return bytes;
}

class Archive {
 public:
  void add(const std::string& name, std::string_view contents) {
    const std::string size = little(contents.size(), 4);
    const std::string fields = little(0, 8) + little(data::crc32(contents), 4) + size + size +
                               little(name.size(), 2) + little(0, 2);
    directory_ += "PK\1\2" + little(0, 4) + fields + little(0, 10) + little(files_.size(), 4) + name;
    files_ += "PK\3\4" + little(0, 2) + fields + name;
    files_ += contents;
    ++count_;
  }
  std::string finish() const {
    return files_ + directory_ + "PK\5\6" + little(0, 4) + little(count_, 2) + little(count_, 2) +
           little(directory_.size(), 4) + little(files_.size(), 4) + little(0, 2);
  }

 private:
  std::string files_, directory_;
  size_t count_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Archive archive;
  archive.add("a/data.pkl", {reinterpret_cast<const char*>(data), size});
  for (const size_t storage : {0, 1, 2, 3})
    archive.add("a/data/" + std::to_string(storage), std::string(24 * (storage + 1), '\x3f'));
  return fuzz::run([&] {
    const auto file = data::TorchFile::open(fuzz::file_of(archive.finish()));
    for (const std::string& name : file.names()) fuzz::run([&] { file.load(name); });
  });
}
