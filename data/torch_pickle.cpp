#include "data/torch_pickle.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/shape.h"
#include "data/in_quotes.h"

namespace imago::data {
namespace {

constexpr size_t kMaxValues = 1 << 20;  // of a state dict: about fifteen for each tensor

enum class Kind : uint8_t { none, boolean, integer, text, tuple, dict, global, storage, tensor };

// Values refer to each other by number, so that nothing in here recurses.
using Index = uint32_t;

struct Value {
  Kind kind = Kind::none;
  int64_t integer = 0;
  std::string text = {};          // of a global: "module name"
  std::vector<Index> items = {};  // of a dict: key, value, key, value; of others: their tuple's
};

// The globals that a state dict needs, besides the types of storages.
constexpr std::string_view kOrderedDict = "collections OrderedDict",
                           kRebuildTensor = "torch._utils _rebuild_tensor_v2",
                           kRebuildParameter = "torch._utils _rebuild_parameter",
                           kStorageTypes[] = {"torch FloatStorage", "torch DoubleStorage",
                                              "torch HalfStorage",  "torch BFloat16Storage",
                                              "torch LongStorage",  "torch IntStorage",
                                              "torch ShortStorage", "torch CharStorage",
                                              "torch ByteStorage",  "torch BoolStorage"};

class Unpickler {
 public:
  Unpickler(const std::string& file, std::string_view bytes) : file_(file), bytes_(bytes) {}

  std::vector<PickledTensor> run() {
    for (;;) {
      const unsigned op = byte();
      if (op == '.') return tensors(pop());
      if (push_number(op) || push_text(op) || build(op) || remember(op)) continue;
      refuse("uses the pickle operation ", op, ", which no state dict needs");
    }
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail("torch file: ", file_, ": the pickle ", parts...);
  }
  [[noreturn]] void damaged() const { refuse("is damaged at byte ", at_); }

  // ---- bytes ----

  std::string_view take(size_t length) {
    if (length > bytes_.size() - at_) refuse("is cut off");
    return bytes_.substr(std::exchange(at_, at_ + length), length);
  }
  unsigned byte() { return static_cast<unsigned char>(take(1)[0]); }
  uint64_t number(size_t width) {  // little-endian
    uint64_t value = 0;
    const std::string_view field = take(width);
    for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(field[i]);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == bytes_.npos) refuse("is cut off");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  // ---- the stack ----

  const Value& at(Index i) const { return values_[i]; }
  void push(Index i) { stack_.push_back(i); }
  void push(Value value) {
    if (values_.size() >= kMaxValues) refuse("has more than ", kMaxValues, " values");
    values_.push_back(std::move(value));
    push(static_cast<Index>(values_.size() - 1));
  }
  Index top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged();
    return stack_.back();
  }
  Index pop() {
    const Index i = top();
    stack_.pop_back();
    return i;
  }
  // What is above the last mark, or as many values.
  std::vector<Index> pop_marked() {
    if (marks_.empty()) damaged();
    const size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return pop_many(count);
  }
  std::vector<Index> pop_many(size_t count) {
    if (stack_.size() - (marks_.empty() ? 0 : marks_.back()) < count) damaged();
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Index> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }

  // ---- operations ----

  bool push_number(unsigned op) {
    switch (op) {
      case 0x80:  // PROTO
        if (const unsigned protocol = byte(); protocol != 2)
          refuse("must be of protocol 2, got ", protocol);
        return true;
      case 'N':
        return push({.kind = Kind::none}), true;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return push({.kind = Kind::boolean, .integer = op == 0x88}), true;
      case 'K':
        return push({.kind = Kind::integer, .integer = byte()}), true;
      case 'M':
        return push({.kind = Kind::integer, .integer = static_cast<int64_t>(number(2))}), true;
      case 'J':
        return push_integer(4), true;
      case 0x8a:  // LONG1
        return push_integer(byte()), true;
      default:
        return false;
    }
  }
  // Two's complement.
  void push_integer(size_t width) {
    if (width > 8) refuse("has an integer beyond 64 bits");
    const unsigned unused = 64 - 8 * static_cast<unsigned>(width);
    const uint64_t bits = width == 0 ? 0 : number(width) << unused;
    push({.kind = Kind::integer, .integer = width == 0 ? 0 : static_cast<int64_t>(bits) >> unused});
  }

  bool push_text(unsigned op) {
    if (op == 'X') {  // BINUNICODE
      const size_t length = number(4);
      push({.kind = Kind::text, .text = std::string(take(length))});
    } else if (op == 'c') {  // GLOBAL
      const std::string_view module = line();
      const std::string name = concat(module, ' ', line());
      if (name != kOrderedDict && name != kRebuildTensor && name != kRebuildParameter &&
          !std::ranges::count(kStorageTypes, name))
        refuse("asks for ", in_quotes(name), ", and only tensors are read from such files");
      push({.kind = Kind::global, .text = name});
    } else {
      return false;
    }
    return true;
  }

  bool build(unsigned op) {
    switch (op) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case ')':
        return push({.kind = Kind::tuple}), true;
      case 't':
        return push({.kind = Kind::tuple, .items = pop_marked()}), true;
      case 0x85:  // TUPLE1
      case 0x86:
      case 0x87:
        return push({.kind = Kind::tuple, .items = pop_many(op - 0x84)}), true;
      case '}':
        return push({.kind = Kind::dict}), true;
      case 's':  // SETITEM
        return set_items(pop_many(2)), true;
      case 'u':  // SETITEMS
        return set_items(pop_marked()), true;
      case 'b':  // BUILD: attributes of an OrderedDict, which say nothing about tensors
        pop();
        if (at(top()).kind != Kind::dict) damaged();
        return true;
      case 'Q':  // BINPERSID
        return make_storage(pop()), true;
      case 'R':
        return reduce(), true;
      default:
        return false;
    }
  }
  void set_items(const std::vector<Index>& items) {
    Value& dict = values_[top()];
    if (dict.kind != Kind::dict || items.size() % 2 != 0) damaged();
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }
  // ("storage", type, name, device, number of elements)
  void make_storage(Index i) {
    const std::vector<Index>& items = at(i).items;
    constexpr Kind kParts[] = {Kind::text, Kind::global, Kind::text, Kind::text, Kind::integer};
    if (at(i).kind != Kind::tuple || !are(items, kParts) || at(items[0]).text != "storage" ||
        !std::ranges::count(kStorageTypes, at(items[1]).text))
      damaged();
    push({.kind = Kind::storage, .items = {items[1], items[2], items[4]}});
  }
  bool are(const std::vector<Index>& items, std::span<const Kind> kinds) const {
    return items.size() >= kinds.size() &&
           std::equal(kinds.begin(), kinds.end(), items.begin(),
                      [&](Kind kind, Index i) { return at(i).kind == kind; });
  }
  // The calls of the three functions. What is behind the parts of a tensor does not matter here:
  // whether it wants a gradient, and its hooks.
  void reduce() {
    const Index arguments = pop(), function = pop();
    if (at(arguments).kind != Kind::tuple || at(function).kind != Kind::global) damaged();
    const std::string& name = at(function).text;
    const std::vector<Index>& items = at(arguments).items;
    constexpr Kind kTensor[] = {Kind::storage, Kind::integer, Kind::tuple, Kind::tuple};
    constexpr Kind kParameter[] = {Kind::tensor};
    if (name == kOrderedDict && items.empty())
      push({.kind = Kind::dict});
    else if (name == kRebuildTensor && are(items, kTensor))
      push({.kind = Kind::tensor, .items = {items.begin(), items.begin() + std::size(kTensor)}});
    else if (name == kRebuildParameter && are(items, kParameter))
      push(items[0]);
    else
      damaged();
  }

  bool remember(unsigned op) {
    if (op == 'q' || op == 'r') {  // BINPUT, LONG_BINPUT
      memo_[number(op == 'q' ? 1 : 4)] = top();
    } else if (op == 'h' || op == 'j') {  // BINGET, LONG_BINGET
      const auto found = memo_.find(number(op == 'h' ? 1 : 4));
      if (found == memo_.end()) damaged();
      push(found->second);
    } else {
      return false;
    }
    return true;
  }

  // ---- the result ----

  std::vector<PickledTensor> tensors(Index root) const {
    if (at(root).kind != Kind::dict) refuse("must hold a dictionary of tensors");
    const std::vector<Index>& items = at(root).items;
    std::vector<PickledTensor> list;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const Value &key = at(items[i]), &value = at(items[i + 1]);
      if (key.kind != Kind::text) refuse("must hold a dictionary of tensors with names");
      if (value.kind != Kind::tensor)
        refuse("must hold a dictionary of tensors, but ", in_quotes(key.text), " is none");
      list.push_back(describe(key.text, value));
    }
    std::ranges::sort(list, {}, &PickledTensor::name);
    const auto twice = std::ranges::adjacent_find(list, {}, &PickledTensor::name);
    if (twice != list.end()) refuse("has ", in_quotes(twice->name), " twice");
    return list;
  }

  PickledTensor describe(const std::string& name, const Value& tensor) const {
    const std::vector<Index>& storage = at(tensor.items[0]).items;
    constexpr size_t kModule = std::string_view("torch ").size();
    PickledTensor t = {.name = name,
                       .storage = at(storage[1]).text,
                       .storage_type = at(storage[0]).text.substr(kModule),
                       .storage_size = at(storage[2]).integer,
                       .offset = at(tensor.items[1]).integer,
                       .shape = integers(at(tensor.items[2])),
                       .strides = integers(at(tensor.items[3]))};
    if (t.shape.size() != t.strides.size() || t.shape.size() > kMaxRank)
      refuse("gives ", in_quotes(name), " ", t.shape.size(), " extents and ", t.strides.size(),
             " strides");
    // No tensor has more elements than its storage, nor any of them elsewhere.
    int64_t count = 1, last = t.offset;
    bool fits = t.offset >= 0 && t.storage_size >= 0;
    for (size_t i = 0; i < t.shape.size(); ++i) {
      int64_t reach = 0;
      fits &= t.shape[i] >= 0 && t.strides[i] >= 0;
      fits &= !__builtin_mul_overflow(count, t.shape[i], &count);
      fits &= t.shape[i] == 0 || (!__builtin_mul_overflow(t.shape[i] - 1, t.strides[i], &reach) &&
                                  !__builtin_add_overflow(last, reach, &last));
    }
    fits &= count <= t.storage_size && (count == 0 || last < t.storage_size);
    if (!fits) refuse("puts ", in_quotes(name), " beyond the end of its storage");
    return t;
  }

  std::vector<int64_t> integers(const Value& tuple) const {
    std::vector<int64_t> out;
    for (const Index i : tuple.items) {
      if (at(i).kind != Kind::integer) refuse("must give shapes and strides as integers");
      out.push_back(at(i).integer);
    }
    return out;
  }

  const std::string& file_;
  std::string_view bytes_;
  size_t at_ = 0;
  std::vector<Value> values_;
  std::vector<Index> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Index> memo_;
};

}  // namespace

std::vector<PickledTensor> parse_torch_pickle(const std::string& file, std::string_view bytes) {
  return Unpickler(file, bytes).run();
}

}  // namespace imago::data
