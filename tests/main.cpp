// The test program. Where the machine lacks the kernels that $IMAGO_CPU_ISA names it says so and
// ends with 77, which CTest counts as skipped.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <exception>

#include "kernels/backend.h"

int main(int argc, char** argv) {
  try {
    std::printf("kernels: %s\n", imago::kernels::cpu_backend().name);
  } catch (const std::exception& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
  return Catch::Session().run(argc, argv) == 0 ? 0 : 1;
}
