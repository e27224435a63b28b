// The test program. $IMAGO_TEST_DEVICE (cpu, simt, cuda) says where tensors are made, so which kernels are tested.
// Where the machine lacks that device, or the kernels that $IMAGO_CPU_ISA names, the program says so and ends with 77,
// which CTest counts as skipped.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "core/allocator.h"
#include "core/check.h"
#include "kernels/backend.h"

namespace {

void choose_device() {
  if (const char* wish = std::getenv("IMAGO_TEST_DEVICE")) imago::set_default_device(imago::device_named(wish));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    choose_device();
    const imago::Device device = imago::default_device();
    imago::release(imago::allocate(1, device), 1, device);  // throws where the device does not work
    std::printf("kernels: %s\n", imago::kernels::backend_for(device).name);
  } catch (const std::exception& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
  return Catch::Session().run(argc, argv) == 0 ? 0 : 1;
}
