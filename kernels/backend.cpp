#include "kernels/backend.h"

#include "core/check.h"

namespace imago::kernels {

const Backend& backend_for(Device device) {
  if (device == Device::cpu) return cpu_backend();
  const Backend* cuda = device == Device::cuda ? cuda_backend() : nullptr;
  IMAGO_CHECK(cuda, "this build of imago has no ", device, " backend");
  return *cuda;
}

}  // namespace imago::kernels
