// Context switches. A context is one pointer: the stack pointer of a suspended fiber.
//
// On x86-64 a switch is a dozen instructions: save the registers that the System V ABI wants kept on the current stack,
// exchange stack pointers, restore. Floating-point modes are not saved; all fibers share them. Elsewhere, or with
// -DIMAGO_SIMT_UCONTEXT, it is swapcontext, about twenty times slower because of its two system calls.
#pragma once

#include <cstddef>

#include "kernels/simt/asan.h"

namespace simt {

// Code that is instrumented keeps more on the stack.
#ifdef IMAGO_SIMT_CHECK
inline constexpr size_t kStackBytes = 256 * 1024;
#else
inline constexpr size_t kStackBytes = (asan::kEnabled ? 256 : 64) * 1024;
#endif

}  // namespace simt

namespace simt::detail {

// Suspends here, leaving the context in *save, and goes on with `load`.
extern "C" void imago_simt_switch(void** save, void* load);

// A context that will call entry() on the stack [top - bytes, top).
void* make_fiber(void* top, size_t bytes, void (*entry)());

}  // namespace simt::detail
