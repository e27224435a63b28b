#include "bench/shared_library.h"

#include <dlfcn.h>

namespace imago::bench {

SharedLibrary::SharedLibrary(const std::vector<std::string>& names) {
  std::string why;
  for (const std::string& name : names) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_) {
      name_ = name;
      return;
    }
    if (why.empty()) why = dlerror();
  }
  fail(why);
}

SharedLibrary::~SharedLibrary() { dlclose(handle_); }

void* SharedLibrary::find(const char* symbol) const {
  void* function = dlsym(handle_, symbol);
  IMAGO_CHECK(function, name_, ": has no ", symbol);
  return function;
}

}  // namespace imago::bench
