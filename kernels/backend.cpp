#include "kernels/backend.h"

#include <array>

#include "core/check.h"
#include "core/memory_source.h"
#include "kernels/queueing_backend.h"

namespace imago::kernels {

#if defined(IMAGO_WITH_CUDA)
namespace cuda_kernels { void register_with_imago(); }
#endif

namespace {

constinit std::array<const Backend*, 3> registered{};

#if defined(IMAGO_WITH_CUDA)
const bool cuda = (cuda_kernels::register_with_imago(), true);
#endif

}  // namespace

void register_backend(Device device, const Backend& backend) { registered[static_cast<size_t>(device)] = &backend; }

const Backend& backend_for(Device device) {
  if (const Backend* backend = registered[static_cast<size_t>(device)]) return *backend;
  IMAGO_CHECK(device == Device::cpu, "this build of imago has no ", device, " backend");
  return memory_source(Device::cpu) ? queueing_backend() : cpu_backend();
}

}  // namespace imago::kernels
