// Writing of safetensors files; the order and the padding are the reference implementation's.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/atomic_file.h"
#include "data/in_quotes.h"
#include "data/safetensors.h"
#include "data/safetensors_header.h"

namespace imago::data {
namespace {

using Named = std::pair<std::string, Tensor>;

const char* dtype_in_file(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
    case DType::bf16:
      return "BF16";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
  }
  return "?";
}

int rank_of(const Tensor& t) { return safetensors_dtype_index(dtype_in_file(t.dtype())); }

// As JSON, with quotes.
std::string json_string(const std::string& file, const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail("safetensors: ", file, ": ", in_quotes(text), " is not UTF-8");
  }
}

std::string json_header(const std::string& file, const std::vector<const Named*>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::ostringstream json;
  json << "{";
  const char* comma = "";
  if (!metadata.empty()) {
    json << "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      json << comma << json_string(file, key) << ":" << json_string(file, value);
      comma = ",";
    }
    json << "}";
  }
  uint64_t offset = 0;
  for (const Named* named : tensors) {
    const auto& [name, tensor] = *named;
    json << comma << json_string(file, name) << ":{\"dtype\":\"" << dtype_in_file(tensor.dtype())
         << "\",\"shape\":[";
    for (int i = 0; i < tensor.rank(); ++i) json << (i ? "," : "") << tensor.dim(i);
    json << "],\"data_offsets\":[" << offset << "," << offset + tensor.bytes() << "]}";
    offset += tensor.bytes();
    comma = ",";
  }
  json << "}";
  std::string text = json.str();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned in the file
  return text;
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const std::vector<Named>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::string file = path.string();
  std::vector<const Named*> sorted;
  for (const Named& named : tensors) {
    IMAGO_CHECK(named.second.defined(), "safetensors: ", file, ": tensor ", in_quotes(named.first),
                " is undefined");
    IMAGO_CHECK(named.first != "__metadata__", "safetensors: ", file,
                ": no tensor may be called __metadata__");
    sorted.push_back(&named);
  }
  std::ranges::sort(sorted, [](const Named* a, const Named* b) {
    return std::pair(-rank_of(a->second), std::string_view(a->first)) <
           std::pair(-rank_of(b->second), std::string_view(b->first));
  });
  std::vector<std::string_view> names;
  for (const Named* named : sorted) names.push_back(named->first);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  IMAGO_CHECK(twice == names.end(), "safetensors: ", file, ": two tensors are called ",
              in_quotes(*twice));

  const std::string header = json_header(file, sorted, metadata);
  IMAGO_CHECK(header.size() <= kMaxSafetensorsHeader, "safetensors: ", file,
              ": the header must have at most ", kMaxSafetensorsHeader, " bytes, got ",
              header.size());
  AtomicFile out(path);
  const uint64_t length = header.size();
  out.write(&length, sizeof length);
  out.write(header);
  for (const Named* named : sorted) out.write(named->second.to(Device::cpu).raw(), named->second.bytes());
  out.commit();
}

}  // namespace imago::data
