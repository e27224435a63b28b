// A file of torch.save(), and every tensor in it. Checksums keep most changes away from the pickle, which
// fuzz_torch_pickle.cpp is for.
#include "data/torch_file.h"
#include "tests/fuzz/fuzz.h"

using namespace imago;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run([&] {
    const std::string path = fuzz::file_of({reinterpret_cast<const char*>(data), size});
    const auto file = data::TorchFile::open(path);
    for (const std::string& name : file.names()) fuzz::run([&] { file.load(name); });
  });
}
