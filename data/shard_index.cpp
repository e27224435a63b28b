#include "data/shard_index.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "data/in_quotes.h"

namespace imago::data {
namespace {

using Json = nlohmann::json;

// {"metadata": {...}, "weight_map": {tensor: file}}. Whatever is deeper is left out; a tensor that
// is there twice would be lost in the document.
Json parse(const std::string& file, std::string_view text) {
  std::set<std::string> seen[3];  // by depth
  const auto look = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event != Json::parse_event_t::key || depth > 2) return depth <= 2;
    if (depth == 1) seen[2].clear();
    const std::string key = value.get<std::string>();
    IMAGO_CHECK(seen[depth].insert(key).second, "shard index: ", file, ": ", in_quotes(key),
                " is there twice");
    return true;
  };
  return Json::parse(text, look, /*allow_exceptions=*/false);
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

}  // namespace

std::map<std::string, std::string> parse_shard_index(const std::string& file,
                                                     std::string_view text) {
  const Json json = parse(file, text);
  IMAGO_CHECK(json.is_object(), "shard index: ", file, ": it must be a JSON object");
  const auto map = json.find("weight_map");
  IMAGO_CHECK(map != json.end() && map->is_object(), "shard index: ", file,
              ": it must have a weight_map");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, shard] : map->items()) {
    IMAGO_CHECK(shard.is_string() && is_file_name(shard.get<std::string>()), "shard index: ", file,
                ": the file of ", in_quotes(tensor), " must be a name without folders");
    files.emplace(tensor, shard.get<std::string>());
  }
  return files;
}

}  // namespace imago::data
