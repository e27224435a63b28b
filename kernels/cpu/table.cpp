#include "kernels/cpu/isa.h"
#include "kernels/cpu/tables.h"

namespace imago::kernels::IMAGO_BACKEND {

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
