// Context switches; see fiber.h.
#include "kernels/simt/fiber.h"

#include <cstdint>

#if defined(__x86_64__) && !defined(IMAGO_SIMT_UCONTEXT)

extern "C" void imago_simt_fiber_start();

asm(R"(
.text
.globl imago_simt_switch
.type imago_simt_switch,@function
imago_simt_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx                  # a jump, not "ret": the processor would always mispredict where that goes
    jmpq *%rcx
    .cfi_endproc
.size imago_simt_switch,.-imago_simt_switch
.globl imago_simt_fiber_start
.type imago_simt_fiber_start,@function
imago_simt_fiber_start:        # a fiber's first switch lands here, with its entry point in %rbx
    .cfi_startproc
    .cfi_undefined rip         # end of the call stack for debuggers and sanitizers
    endbr64
    xorl %ebp, %ebp
    callq *%rbx
    ud2                        # a fiber never returns
    .cfi_endproc
.size imago_simt_fiber_start,.-imago_simt_fiber_start
)");

namespace simt::detail {

void* make_fiber(void* top, size_t, void (*entry)()) {
  auto* p = reinterpret_cast<uint64_t*>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t{15});
  *--p = 0;  // two words keep %rsp a multiple of 16 at the call
  *--p = 0;
  *--p = reinterpret_cast<uint64_t>(&imago_simt_fiber_start);
  *--p = 0;                                  // rbp
  *--p = reinterpret_cast<uint64_t>(entry);  // rbx
  for (int i = 0; i < 4; ++i) *--p = 0;      // r12 to r15
  return p;
}

}  // namespace simt::detail

#else

#include <ucontext.h>

namespace simt::detail {

extern "C" void imago_simt_switch(void** save, void* load) {
  ucontext_t here;  // lives on the suspended stack
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t*>(load));
}

void* make_fiber(void* top, size_t bytes, void (*entry)()) {
  const uintptr_t at = (reinterpret_cast<uintptr_t>(top) - sizeof(ucontext_t)) & ~uintptr_t{63};
  auto* context = reinterpret_cast<ucontext_t*>(at);
  getcontext(context);
  context->uc_stack.ss_sp = static_cast<char*>(top) - bytes;
  context->uc_stack.ss_size = bytes - (reinterpret_cast<uintptr_t>(top) - at);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

}  // namespace simt::detail

#endif
