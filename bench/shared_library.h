// A library that is opened at run time, where there is one: nothing is linked with it, and nothing
// needs its headers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/check.h"

namespace imago::bench {

class SharedLibrary {
 public:
  // The first of these names that opens. Throws, with the loader's words, if none does.
  explicit SharedLibrary(const std::vector<std::string>& names);
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  const std::string& name() const { return name_; }
  // Throws if the library has no such function.
  template <typename F>
  void load(F*& function, const char* symbol) const {
    function = reinterpret_cast<F*>(find(symbol));
  }

 private:
  void* find(const char* symbol) const;

  void* handle_ = nullptr;
  std::string name_;
};

// Anything of a C library that is made and destroyed by functions of that library.
template <typename Handle>
class Owned {
 public:
  using Destroy = int(Handle);

  Owned() = default;
  Owned(Handle handle, Destroy* destroy) : handle_(handle), destroy_(destroy) {}
  Owned(Owned&& o) noexcept : handle_(std::exchange(o.handle_, Handle())), destroy_(o.destroy_) {}
  Owned& operator=(Owned&& o) noexcept {
    std::swap(handle_, o.handle_), std::swap(destroy_, o.destroy_);
    return *this;
  }
  ~Owned() {
    if (handle_) destroy_(handle_);
  }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = Handle();
  Destroy* destroy_ = nullptr;
};

}  // namespace imago::bench
