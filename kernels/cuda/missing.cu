// Scaffolding: launchers that nobody has written yet.
#include "core/check.h"
#include "kernels/backend.h"

namespace imago::kernels::IMAGO_BACKEND {

#define LAUNCHER(name, Params) \
  __attribute__((weak)) void name(const Params&, Stream) { fail(#name, ": not written yet for " IMAGO_BACKEND_NAME); }
#include "kernels/launchers.def"
#undef LAUNCHER

}  // namespace imago::kernels::IMAGO_BACKEND
