// The index of weights in shards.
#include "data/shard_index.h"
#include "tests/fuzz/fuzz.h"

using namespace imago;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run([&] {
    for (const auto& [tensor, file] :
         data::parse_shard_index("F", {reinterpret_cast<const char*>(data), size}))
      if (file.empty() || file.find('/') != file.npos || file == "..") std::abort();
  });
}
