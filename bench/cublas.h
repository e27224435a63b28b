// cuBLASLt as a yardstick for matrix products, the bias fused, by the fastest of the algorithms
// that it proposes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/matmul.h"

namespace imago::bench {

class Cublas {
 public:
  // Throws, in one sentence, where there is no cuBLASLt or no GPU that it works with.
  Cublas();
  ~Cublas();

  std::string version() const;  // "13.1.0"

  // At most `count` ways to compute one product of f32 (rounded to tf32 if that is allowed) or bf16
  // matrices in the GPU's memory, each ready to be queued on the current stream. Throws if there is
  // none.
  std::vector<std::function<void()>> plans(const kernels::Matmul& p, bool allow_tf32,
                                           int count) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace imago::bench
