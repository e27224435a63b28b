#include "kernels/conv2d_algorithm.h"

#include <atomic>

namespace imago::kernels {
namespace {

std::atomic<Conv2dAlgorithm> algorithm{Conv2dAlgorithm::automatic};

}  // namespace

Conv2dAlgorithm conv2d_algorithm() { return algorithm; }
void set_conv2d_algorithm(Conv2dAlgorithm choice) { algorithm = choice; }

}  // namespace imago::kernels
