// Ctrl-C asks a run to save and stop; a second one stops it at once.
#pragma once

namespace imago::program {

inline constexpr int kInterruptedExitCode = 130;  // 128 + SIGINT, what shells expect

// From now on SIGINT and SIGTERM only set a flag; the second signal has its usual effect.
void catch_interrupts();
bool interrupted();

}  // namespace imago::program
