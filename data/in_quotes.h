// Names from files, in messages.
#pragma once

#include <string>
#include <string_view>

namespace imago::data {

// A name as messages show it: quoted, control characters escaped, cut when it is very long.
std::string in_quotes(std::string_view name);

}  // namespace imago::data
