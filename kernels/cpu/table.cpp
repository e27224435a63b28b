#include "kernels/cpu/tables.h"

namespace imago::kernels::IMAGO_BACKEND {

#define LAUNCHER(name, Params) void name(const Params&, Stream);
#include "kernels/launchers.def"
#undef LAUNCHER

const Backend& table() {
  static constexpr Backend backend{
      IMAGO_BACKEND_NAME,
#define LAUNCHER(name, Params) name,
#include "kernels/launchers.def"
#undef LAUNCHER
  };
  return backend;
}

}  // namespace imago::kernels::IMAGO_BACKEND
