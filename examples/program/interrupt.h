// Ctrl-C asks a run to save and stop; a second one stops it at once.
#pragma once

#include "core/check.h"

namespace imago::program {

// From now on the first SIGINT or SIGTERM is only remembered; the next one, whichever it is, has
// its usual effect.
void catch_interrupts();
bool interrupted();
// 128 + the number of the signal, as shells have it: 130 after Ctrl-C, 143 after SIGTERM.
int interrupted_exit_code();

class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};
// Throws Interrupted after a signal: for work that is given up rather than finished, such as
// drawing samples.
void stop_if_interrupted();

}  // namespace imago::program
