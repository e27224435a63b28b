#include "data/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/in_quotes.h"

namespace imago::data {
namespace {

using nlohmann::json;
using Entry = std::pair<std::string, SafetensorsInfo>;

constexpr int kMaxDepth = 128;
constexpr size_t kMaxRankInFile = 64;  // more than any library can make

// Receives the header token by token. A document tree would have lost what has to be refused:
// duplicate keys, and whether a number was written as an unsigned integer.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool null() override {
    if (place_ == Place::header && name_ == kMetadata) return true;
    return other_value();
  }
  bool boolean(bool) override { return other_value(); }
  bool number_integer(int64_t) override { return other_value(); }  // the negative ones
  bool number_float(double, const std::string&) override { return other_value(); }
  bool binary(binary_t&) override { return other_value(); }

  bool number_unsigned(uint64_t value) override {
    if (place_ == Place::shape) {
      refuse_unless(info_.shape.size() < kMaxRankInFile, " has more than ", kMaxRankInFile,
                    " extents");
      info_.shape.push_back(value);
    } else if (place_ == Place::offsets) {
      if (offsets_ < 2) (offsets_ == 0 ? info_.begin : info_.end) = value;
      ++offsets_;
    } else {
      return other_value();
    }
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      IMAGO_CHECK(header_.metadata.emplace(name_, value).second, "safetensors: ", file_,
                  ": __metadata__ has ", in_quotes(name_), " twice");
    } else if (place_ == Place::entry && field_ == kDType) {
      refuse_unless(safetensors_dtype_index(value) >= 0, " has the unknown dtype ",
                    in_quotes(value));
      info_.dtype = std::move(value);
    } else {
      return other_value();
    }
    return true;
  }

  bool key(std::string& value) override {
    switch (place_) {
      case Place::header:
        name_ = std::move(value);
        IMAGO_CHECK(name_ != kMetadata || !std::exchange(saw_metadata_, true),
                    "safetensors: ", file_, ": the header has __metadata__ twice");
        break;
      case Place::metadata:
        name_ = std::move(value);
        break;
      case Place::entry:
        field_ = value == "dtype"          ? kDType
                 : value == "shape"        ? kShape
                 : value == "data_offsets" ? kOffsets
                                           : kOther;
        refuse_unless(field_ == kOther || !seen_[field_], " has the field ", value, " twice");
        seen_[field_] = true;
        break;
      default:
        break;
    }
    return true;
  }

  bool start_object(size_t) override {
    deeper();
    switch (place_) {
      case Place::outside:
        place_ = Place::header;
        break;
      case Place::header:
        place_ = name_ == kMetadata ? Place::metadata : Place::entry;
        info_ = {};
        offsets_ = 0;
        std::fill(std::begin(seen_), std::end(seen_), false);
        break;
      default:
        return start_other();
    }
    return true;
  }
  bool end_object() override {
    switch (place_) {
      case Place::header:
        place_ = Place::outside;
        break;
      case Place::metadata:
        place_ = Place::header;
        break;
      case Place::entry:
        finish_entry();
        place_ = Place::header;
        break;
      default:
        end_other();
        break;
    }
    --depth_;
    return true;
  }

  bool start_array(size_t) override {
    deeper();
    if (place_ != Place::entry || field_ == kOther || field_ == kDType) return start_other();
    place_ = field_ == kShape ? Place::shape : Place::offsets;
    return true;
  }
  bool end_array() override {
    if (place_ == Place::ignored)
      end_other();
    else
      place_ = Place::entry;
    --depth_;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    fail("safetensors: ", file_, ": the header is not valid JSON at byte ", position);
  }

 private:
  enum class Place { outside, header, entry, shape, offsets, metadata, ignored };
  enum Field { kDType, kShape, kOffsets, kOther };
  static constexpr const char* kMetadata = "__metadata__";

  template <typename... Parts>
  void refuse_unless(bool condition, const Parts&... parts) const {
    IMAGO_CHECK(condition, "safetensors: ", file_, ": tensor ", in_quotes(name_), parts...);
  }

  void deeper() {
    IMAGO_CHECK(++depth_ <= kMaxDepth, "safetensors: ", file_,
                ": the header is nested deeper than ", kMaxDepth, " levels");
  }

  // Members of an entry that the format does not know are skipped, as the reference implementation
  // does.
  bool start_other() {
    if (place_ == Place::entry && field_ == kOther) {
      place_ = Place::ignored;
      ignored_depth_ = depth_;
    }
    return other_value();
  }
  void end_other() {
    if (depth_ == ignored_depth_) place_ = Place::entry;
  }

  // A value that has no business where it stands, unless it stands where nothing matters.
  bool other_value() const {
    if (place_ == Place::ignored || (place_ == Place::entry && field_ == kOther)) return true;
    IMAGO_CHECK(place_ != Place::metadata && name_ != kMetadata, "safetensors: ", file_,
                ": __metadata__ must be an object of strings");
    refuse_unless(place_ != Place::header, " must be described by an object");
    refuse_unless(field_ != kDType, ": dtype must be a string");
    refuse_unless(field_ != kShape, ": shape must be an array of unsigned integers below 2^64");
    refuse_unless(false, ": data_offsets must be two unsigned integers below 2^64");
    return false;
  }

  void finish_entry() {
    refuse_unless(seen_[kDType], " has no dtype");
    refuse_unless(seen_[kShape], " has no shape");
    refuse_unless(seen_[kOffsets], " has no data_offsets");
    refuse_unless(offsets_ == 2, ": data_offsets must be two unsigned integers below 2^64");
    header_.entries.emplace_back(std::move(name_), std::move(info_));
  }

  const std::string& file_;
  SafetensorsHeader& header_;
  Place place_ = Place::outside;
  std::string name_;  // the key at hand: of the header, or inside __metadata__
  SafetensorsInfo info_;
  Field field_ = kOther;
  bool seen_[4] = {}, saw_metadata_ = false;
  int offsets_ = 0, depth_ = 0, ignored_depth_ = 0;
};

// The bytes that the tensor's shape and type ask for.
uint64_t bytes_needed(const std::string& file, const Entry& entry) {
  const auto& [name, info] = entry;
  uint64_t count = 1, bits = 0;
  bool overflow = false;
  for (const uint64_t extent : info.shape)
    overflow |= __builtin_mul_overflow(count, extent, &count);
  overflow |= __builtin_mul_overflow(
      count, kSafetensorsDTypes[safetensors_dtype_index(info.dtype)].bits, &bits);
  IMAGO_CHECK(!overflow, "safetensors: ", file, ": the size of tensor ", in_quotes(name),
              " overflows 64 bits");
  IMAGO_CHECK(bits % 8 == 0, "safetensors: ", file, ": tensor ", in_quotes(name), " has ", count,
              " elements of ", info.dtype, ", which is not a whole number of bytes");
  return bits / 8;
}

// The tensors lie one after the other from byte 0 to the last, without holes and without overlaps.
void check_layout(const std::string& file, std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.second.begin, a.second.end) < std::pair(b.second.begin, b.second.end);
  });
  uint64_t end = 0;
  for (const Entry& entry : entries) {
    const auto& [name, info] = entry;
    IMAGO_CHECK(info.begin == end && info.end >= info.begin, "safetensors: ", file, ": tensor ",
                in_quotes(name), " must follow the one before it from byte ", end,
                " on, got data_offsets [", info.begin, ", ", info.end, "]");
    const uint64_t bytes = bytes_needed(file, entry);
    IMAGO_CHECK(info.end - info.begin == bytes, "safetensors: ", file, ": tensor ", in_quotes(name),
                " must have ", bytes, " bytes, got ", info.end - info.begin);
    end = info.end;
  }
  IMAGO_CHECK(end == data_bytes, "safetensors: ", file, ": the tensors must have ", data_bytes,
              " bytes, all that follow the header, got ", end);
}

}  // namespace

int safetensors_dtype_index(std::string_view name) {
  const auto* found = std::find_if(std::begin(kSafetensorsDTypes), std::end(kSafetensorsDTypes),
                                   [&](const SafetensorsDType& t) { return t.name == name; });
  return found == std::end(kSafetensorsDTypes) ? -1 : static_cast<int>(found - kSafetensorsDTypes);
}

SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view text,
                                           uint64_t data_bytes) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  IMAGO_CHECK(first != text.npos && text[first] == '{', "safetensors: ", file,
              ": the header must be a JSON object");
  // The parser would take a NUL for the end of its input.
  const size_t nul = text.find('\0');
  IMAGO_CHECK(nul == text.npos, "safetensors: ", file, ": the header is not valid JSON at byte ",
              nul + 1);

  SafetensorsHeader header;
  HeaderReader reader(file, header);
  json::sax_parse(text.begin(), text.end(), &reader);
  check_layout(file, header.entries, data_bytes);

  std::vector<Entry>& entries = header.entries;
  const auto name = [](const Entry& e) -> const std::string& { return e.first; };
  std::ranges::sort(entries, {}, name);
  const auto twice = std::ranges::adjacent_find(entries, {}, name);
  IMAGO_CHECK(twice == entries.end(), "safetensors: ", file, ": the header has tensor ",
              in_quotes(twice->first), " twice");
  return header;
}

}  // namespace imago::data
