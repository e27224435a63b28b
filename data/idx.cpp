#include "data/idx.h"

#include <cstring>
#include <vector>

#include "data/atomic_file.h"
#include "data/gzip.h"
#include "data/input_file.h"

namespace imago::data {
namespace {

constexpr unsigned kUnsignedByte = 8;  // the type code

unsigned byte_at(const std::string& bytes, size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::string bytes = read_file(path);
  if (is_gzip(bytes)) bytes = gunzip(bytes, file);

  IMAGO_CHECK(bytes.size() >= 4, "idx: ", file, ": the header must have at least 4 bytes, got ",
              bytes.size());
  IMAGO_CHECK(bytes[0] == 0 && bytes[1] == 0, "idx: ", file,
              ": the first two bytes must be 0, got ", byte_at(bytes, 0), " and ",
              byte_at(bytes, 1));
  IMAGO_CHECK(byte_at(bytes, 2) == kUnsignedByte, "idx: ", file,
              ": the type must be 8 (unsigned bytes), got ", byte_at(bytes, 2));
  const size_t rank = byte_at(bytes, 3), header = 4 + 4 * rank;
  IMAGO_CHECK(rank >= 1 && rank <= kMaxRank, "idx: ", file, ": the rank must be 1 to ", kMaxRank,
              ", got ", rank);
  IMAGO_CHECK(bytes.size() >= header, "idx: ", file, ": a header of rank ", rank, " must have ",
              header, " bytes, got ", bytes.size());

  std::vector<int64_t> dims;
  uint64_t count = 1;
  bool overflow = false;
  for (size_t i = 4; i < header; i += 4) {
    const uint32_t extent = byte_at(bytes, i) << 24 | byte_at(bytes, i + 1) << 16 |
                            byte_at(bytes, i + 2) << 8 | byte_at(bytes, i + 3);
    dims.push_back(extent);
    overflow |= __builtin_mul_overflow(count, uint64_t{extent}, &count);
  }
  IMAGO_CHECK(!overflow && count <= INT64_MAX, "idx: ", file,
              ": the extents multiply to more than 2^63 elements");
  IMAGO_CHECK(bytes.size() - header == count, "idx: ", file, ": ", Shape(dims), " must have ",
              count, " bytes of data, got ", bytes.size() - header);
  Tensor out(Shape(dims), DType::u8, Device::cpu);
  if (count) std::memcpy(out.raw(), bytes.data() + header, count);
  return out;
}

void write_idx(const std::filesystem::path& path, const Tensor& values) {
  IMAGO_CHECK(values.dtype() == DType::u8, "write_idx: values must be u8, got ", values.dtype());
  IMAGO_CHECK(values.rank() >= 1, "write_idx: values must have at least one axis, got ",
              values.shape());
  std::string header = {0, 0, static_cast<char>(kUnsignedByte), static_cast<char>(values.rank())};
  for (const int64_t extent : values.shape()) {
    IMAGO_CHECK(extent <= UINT32_MAX, "write_idx: extents must be below 2^32, got ",
                values.shape());
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(extent >> shift & 255);
  }
  AtomicFile file(path);
  file.write(header);
  file.write(values.raw(), values.bytes());
  file.commit();
}

}  // namespace imago::data
