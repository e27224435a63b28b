// cuDNN as a yardstick for convolutions: NHWC, the bias fused, and of all the engines that its
// heuristics propose the fastest here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "kernels/conv2d.h"

namespace imago::bench {

enum class ConvDirection : uint8_t { forward, input, weight };

class Cudnn {
 public:
  // Throws, in one sentence, where there is no cuDNN 9 or no GPU that it works with.
  Cudnn();
  ~Cudnn();

  std::string version() const;  // "9.19.0"

  // Memory of the GPU. In direction input, x is written, in direction weight, weight, and y is
  // read.
  struct Convolution {
    ConvDirection direction;
    kernels::Conv2dShape shape;
    DType dtype;                  // f32 may be rounded to tf32
    void *x, *weight, *bias, *y;  // bias may be null; forward only
  };
  // One way to compute it, ready to be queued on the current stream.
  struct Plan {
    std::function<void()> run;
    bool tensor_cores, deterministic;
  };
  // At most `count` ways, those first that cuDNN thinks fastest. Engines that round inputs or sums
  // to less than the type says are left out. Throws if there is none.
  std::vector<Plan> plans(const Convolution& c, size_t count) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace imago::bench
