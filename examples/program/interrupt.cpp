#include "examples/program/interrupt.h"

#include <csignal>

namespace imago::program {
namespace {

volatile std::sig_atomic_t caught = 0;  // the signal's number

void handle(int signal) {
  caught = signal;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  caught = 0;
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that must not grow fails like a full disk, with a sentence
}

bool interrupted() { return caught != 0; }

int interrupted_exit_code() { return 128 + caught; }

void stop_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

}  // namespace imago::program
