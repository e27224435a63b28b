// Chooses the CPU kernels for the machine that runs.
#include <cstdlib>
#include <string_view>

#include "core/check.h"
#include "kernels/cpu/tables.h"

namespace imago::kernels {
namespace {

struct InstructionSet {
  std::string_view name;
  bool runs_here;
  const Backend& (*table)();
};

// Those of this build (IMAGO_CPU_<name> is set by CMake), the best one first, with the features
// that -march=x86-64-v4 and -v3 allow the compiler to use.
const Backend& choose() {
  const InstructionSet sets[] = {
#if defined(IMAGO_CPU_avx512)
    {"avx512",
     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma"),
     cpu_avx512::table},
#endif
#if defined(IMAGO_CPU_avx2)
    {"avx2",
     __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2"),
     cpu_avx2::table},
#endif
#if defined(IMAGO_CPU_baseline)
    {"baseline", true, cpu_baseline::table},
#endif
  };
  const char* wish = std::getenv("IMAGO_CPU_ISA");
  for (const InstructionSet& set : sets)
    if (set.runs_here && (!wish || set.name == wish)) return set.table();
  fail(
      "IMAGO_CPU_ISA: must be baseline, avx2 or avx512, and this machine and build must have it; "
      "got '",
      wish ? wish : "nothing", "'");
}

}  // namespace

const Backend& cpu_backend() {
  static const Backend& backend = choose();
  return backend;
}

}  // namespace imago::kernels
