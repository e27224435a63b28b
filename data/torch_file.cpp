#include "data/torch_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "data/half.h"
#include "data/in_quotes.h"
#include "data/not_a_weights_file.h"

namespace imago::data {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are read as they are");

constexpr uint64_t kMaxPickle = 64 << 20;

struct StorageType {
  std::string_view name;
  size_t size;  // bytes of an element
  DType dtype;  // that it is loaded as
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", 4, DType::f32},     {"DoubleStorage", 8, DType::f64},
    {"BFloat16Storage", 2, DType::bf16}, {"HalfStorage", 2, DType::f32},
    {"LongStorage", 8, DType::i64},      {"IntStorage", 4, DType::i32},
    {"ByteStorage", 1, DType::u8},
};

void check_start(const std::filesystem::path& path) {
  const InputFile file(path);
  char start[32] = {};
  file.read_at(0, start, static_cast<size_t>(std::min<uint64_t>(sizeof start, file.size())));
  const std::string_view text(start, sizeof start);
  if (text.starts_with("PK\3\4")) return;
  const char* other = text.starts_with("\x80\2") ? kOldTorchFile : not_a_weights_file(text);
  fail("torch file: ", file.path(), ": ", other ? other : "it is not a file of torch.save()");
}

// Calls use(i) for the index in the storage of every element, in row-major order.
template <typename F>
void for_each_element(const PickledTensor& t, int64_t count, F&& use) {
  std::vector<int64_t> index(t.shape.size(), 0);
  for (int64_t at = t.offset; count > 0; --count) {
    use(at);
    for (size_t axis = index.size(); axis-- > 0;) {
      at += t.strides[axis];
      if (++index[axis] < t.shape[axis]) break;
      at -= t.strides[axis] * t.shape[axis];
      index[axis] = 0;
    }
  }
}

// The elements of the tensor out of those of its storage.
Tensor gather(const PickledTensor& t, const StorageType& type, const std::string& storage) {
  const Tensor out(Shape(t.shape), type.dtype, Device::cpu);
  char* next = static_cast<char*>(out.raw());
  if (type.name == "HalfStorage") {
    for_each_element(t, out.numel(), [&](int64_t i) {
      uint16_t bits;
      std::memcpy(&bits, storage.data() + i * 2, sizeof bits);
      const float value = half_to_float(bits);
      std::memcpy(next, &value, sizeof value);
      next += sizeof value;
    });
  } else {
    for_each_element(t, out.numel(), [&](int64_t i) {
      std::memcpy(next, storage.data() + static_cast<size_t>(i) * type.size, type.size);
      next += type.size;
    });
  }
  return out;
}

}  // namespace

TorchFile TorchFile::open(const std::filesystem::path& path) {
  check_start(path);
  TorchFile out(ZipFile::open(path));
  const ZipFile::Entry* pickle = nullptr;
  for (const ZipFile::Entry& entry : out.zip_.entries()) {
    if (!entry.name.ends_with("/data.pkl")) continue;
    IMAGO_CHECK(!pickle, "torch file: ", out.path(), ": there are two pickles in it, ",
                in_quotes(pickle->name), " and ", in_quotes(entry.name));
    pickle = &entry;
  }
  IMAGO_CHECK(pickle && pickle->size <= kMaxPickle, "torch file: ", out.path(),
              ": there is no pickle of at most ", kMaxPickle, " bytes in it");
  out.folder_ = pickle->name.substr(0, pickle->name.rfind('/') + 1);
  const ZipFile::Entry* order = out.zip_.find(out.folder_ + "byteorder");
  IMAGO_CHECK(!order || out.zip_.read(*order) == "little", "torch file: ", out.path(),
              ": it must be little-endian");
  out.tensors_ = parse_torch_pickle(out.path(), out.zip_.read(*pickle));
  return out;
}

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> out;
  for (const PickledTensor& tensor : tensors_) out.push_back(tensor.name);
  return out;
}

Tensor TorchFile::load(std::string_view name) const {
  const auto tensor = std::ranges::lower_bound(
      tensors_, name, {}, [](const PickledTensor& t) { return std::string_view(t.name); });
  IMAGO_CHECK(tensor != tensors_.end() && tensor->name == name, "torch file: ", path(), ": there is no tensor ",
              in_quotes(name));
  const auto* type = std::ranges::find(kStorageTypes, tensor->storage_type, &StorageType::name);
  IMAGO_CHECK(type != std::end(kStorageTypes), "torch file: ", path(), ": tensor ", in_quotes(name),
              " must be of floating-point or integer type to be loaded, got a ",
              tensor->storage_type);
  const ZipFile::Entry* entry = zip_.find(concat(folder_, "data/", tensor->storage));
  IMAGO_CHECK(entry && static_cast<uint64_t>(tensor->storage_size) == entry->size / type->size &&
                  entry->size % type->size == 0,
              "torch file: ", path(), ": the storage of ", in_quotes(name), " must have ",
              tensor->storage_size, " elements of ", type->size, " bytes, got ",
              entry ? entry->size : 0, " bytes");
  return gather(*tensor, *type, zip_.read(*entry));
}

}  // namespace imago::data
