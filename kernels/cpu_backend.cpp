// Chooses the CPU kernels for the machine that runs.
#include <cstdlib>
#include <string_view>

#include "core/check.h"
#include "kernels/cpu/tables.h"

namespace imago::kernels {
namespace {

// The features that -march=x86-64-v3 and -v4 stand for and that the compiler can use in kernels/cpu.
bool has_avx2() {
#if defined(IMAGO_CPU_DISPATCH)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}
bool has_avx512() {
#if defined(IMAGO_CPU_DISPATCH)
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
#else
  return false;
#endif
}

const Backend& choose() {
  const char* wish = std::getenv("IMAGO_CPU_ISA");
  const std::string_view isa = wish ? wish : has_avx512() ? "avx512" : has_avx2() ? "avx2" : "baseline";
#if defined(IMAGO_CPU_DISPATCH)
  if (isa == "avx512" && has_avx512()) return cpu_avx512::table();
  if (isa == "avx2" && has_avx2()) return cpu_avx2::table();
#endif
  if (isa == "baseline") return cpu_baseline::table();
  fail("IMAGO_CPU_ISA: must be baseline, avx2 or avx512, and this machine and build must have it; got '", isa, "'");
}

}  // namespace

const Backend& cpu_backend() {
  static const Backend& backend = choose();
  return backend;
}

}  // namespace imago::kernels
