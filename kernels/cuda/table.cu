// The backend's table, and its entry in the list of devices.
#include "kernels/backend.h"
#include "kernels/cuda/device/memory.h"

namespace imago::kernels::IMAGO_BACKEND {

#define LAUNCHER(name, Params) void name(const Params&, Stream);
#include "kernels/launchers.def"
#undef LAUNCHER

void register_with_imago() {
  static constexpr Backend backend{
      IMAGO_BACKEND_NAME,
#define LAUNCHER(name, Params) name,
#include "kernels/launchers.def"
#undef LAUNCHER
  };
  register_device(Device::IMAGO_DEVICE, kDeviceMemory, kDeviceQueues);
  register_backend(Device::IMAGO_DEVICE, backend);
}

}  // namespace imago::kernels::IMAGO_BACKEND
