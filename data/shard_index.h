// The index of weights that are spread over several files.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace imago::data {

// The text of a *.index.json: the file of every tensor, a name without folders. `file` is for
// messages; throws `shard index: FILE: reason`.
std::map<std::string, std::string> parse_shard_index(const std::string& file,
                                                     std::string_view json);

}  // namespace imago::data
