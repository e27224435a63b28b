#include "data/in_quotes.h"

namespace imago::data {

std::string in_quotes(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string out = "'";
  for (const char c : name.substr(0, kLongest)) {
    constexpr char kHex[] = "0123456789abcdef";
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f)
      out += c;
    else
      (out += "\\x") += {kHex[u >> 4], kHex[u & 15]};
  }
  return out + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace imago::data
