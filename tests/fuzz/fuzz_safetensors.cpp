// A safetensors file, and every tensor in it.
#include "data/safetensors.h"
#include "tests/fuzz/fuzz.h"

using namespace imago;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run([&] {
    const std::string path = fuzz::file_of({reinterpret_cast<const char*>(data), size});
    const auto file = data::SafetensorsFile::open(path);
    for (const std::string& name : file.names()) fuzz::run([&] { file.load(name); });
  });
}
