#include "data/safetensors.h"

#include <algorithm>
#include <bit>

#include "data/half.h"
#include "data/in_quotes.h"
#include "data/not_a_weights_file.h"
#include "data/safetensors_header.h"

namespace imago::data {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

// What a file that cannot be safetensors probably is: people are handed these under the right name.
const char* other_format(std::string_view start) {
  if (start.starts_with("PK\3\4"))
    return "it is a PyTorch file; give it a name that ends with .bin";
  if (start.starts_with("\x80\2")) return kOldTorchFile;
  return not_a_weights_file(start);
}

uint64_t header_length(const InputFile& file) {
  char start[32] = {};
  const size_t known = static_cast<size_t>(std::min<uint64_t>(sizeof start, file.size()));
  file.read_at(0, start, known);
  uint64_t length = 0;
  std::copy_n(start, sizeof length, reinterpret_cast<char*>(&length));
  if (file.size() >= 8 && length <= kMaxSafetensorsHeader && length <= file.size() - 8)
    return length;

  const char* other = other_format({start, known});
  IMAGO_CHECK(!other, "safetensors: ", file.path(), ": ", other);
  IMAGO_CHECK(file.size() >= 8, "safetensors: ", file.path(), ": a file has at least 8 bytes, got ",
              file.size());
  IMAGO_CHECK(length <= kMaxSafetensorsHeader, "safetensors: ", file.path(),
              ": the header must have at most ", kMaxSafetensorsHeader, " bytes, got ", length);
  fail("safetensors: ", file.path(), ": the header has ", length, " bytes, but only ",
       file.size() - 8, " follow");
}

Tensor load_half(const InputFile& file, uint64_t offset, const Shape& shape) {
  Tensor out(shape, DType::f32, Device::cpu);
  std::vector<uint16_t> halves(static_cast<size_t>(shape.numel()));
  file.read_at(offset, halves.data(), halves.size() * sizeof(uint16_t));
  std::transform(halves.begin(), halves.end(), out.data<float>(), half_to_float);
  return out;
}

// The shape as imago can hold it.
Shape shape_of(const std::string& file, std::string_view name,
               const std::vector<uint64_t>& extents) {
  IMAGO_CHECK(extents.size() <= kMaxRank, "safetensors: ", file, ": tensor ", in_quotes(name),
              " must have at most ", kMaxRank, " axes, got ", extents.size());
  const bool fits =
      std::ranges::all_of(extents, [](uint64_t n) { return n <= uint64_t{INT64_MAX}; });
  IMAGO_CHECK(fits, "safetensors: ", file, ": tensor ", in_quotes(name),
              " has an extent beyond 2^63");
  return Shape(std::vector<int64_t>(extents.begin(), extents.end()));
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile out(path);
  const uint64_t length = header_length(out.file_);
  std::string text(length, '\0');
  out.file_.read_at(8, text.data(), length);
  out.data_begin_ = 8 + length;
  SafetensorsHeader header =
      parse_safetensors_header(out.path(), text, out.file_.size() - out.data_begin_);
  out.entries_ = std::move(header.entries);
  out.metadata_ = std::move(header.metadata);
  return out;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.first);
  return out;
}

const SafetensorsFile::Entry* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(
      entries_, name, {}, [](const Entry& e) { return std::string_view(e.first); });
  return at != entries_.end() && at->first == name ? &*at : nullptr;
}

const SafetensorsInfo& SafetensorsFile::info(std::string_view name) const {
  const Entry* entry = find(name);
  IMAGO_CHECK(entry, "safetensors: ", path(), ": there is no tensor ", in_quotes(name));
  return entry->second;
}

Tensor SafetensorsFile::load(std::string_view name) const {
  const SafetensorsInfo& tensor = info(name);
  const Shape shape = shape_of(path(), name, tensor.shape);
  const uint64_t offset = data_begin_ + tensor.begin;
  if (tensor.dtype == "F16") return load_half(file_, offset, shape);

  constexpr std::pair<const char*, DType> kLoaded[] = {{"F32", DType::f32},   {"F64", DType::f64},
                                                       {"BF16", DType::bf16}, {"I32", DType::i32},
                                                       {"I64", DType::i64},   {"U8", DType::u8}};
  const auto* known =
      std::ranges::find_if(kLoaded, [&](const auto& t) { return tensor.dtype == t.first; });
  IMAGO_CHECK(known != std::end(kLoaded), "safetensors: ", path(), ": tensor ", in_quotes(name),
              " must be F64, F32, F16, BF16, I64, I32 or U8 to be loaded, got ", tensor.dtype);
  Tensor out(shape, known->second, Device::cpu);
  file_.read_at(offset, out.raw(), out.bytes());
  return out;
}

}  // namespace imago::data
