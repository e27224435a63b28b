// The CPU's launchers behind a queue.
#pragma once

#include "kernels/backend.h"

namespace imago::kernels {

// Gives each launch to queue_on_host(): done at once by cpu_backend(), or kept for a graph, or dropped by a dry run.
const Backend& queueing_backend();

}  // namespace imago::kernels
