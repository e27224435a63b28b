#include "examples/program/interrupt.h"

#include <csignal>

namespace imago::program {
namespace {

volatile std::sig_atomic_t flag = 0;

void handle(int) { flag = 1; }

}  // namespace

void catch_interrupts() {
  flag = 0;
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return flag != 0; }

}  // namespace imago::program
