// Ctrl-C asks a run to save and stop; a second one stops it at once.
#pragma once

#include "core/check.h"

namespace imago::program {

inline constexpr int kInterruptedExitCode = 130;  // 128 + SIGINT, what shells expect

// From now on the first SIGINT or SIGTERM only sets a flag; the next one, whichever it is, has its
// usual effect.
void catch_interrupts();
bool interrupted();

class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};
// Throws Interrupted after a signal: for work that is given up rather than finished, such as
// drawing samples.
void stop_if_interrupted();

}  // namespace imago::program
