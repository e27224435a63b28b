// The convolutions, matrix products, norms and attentions of a network as its training step
// launches them, each with operands of its own, so that it can be checked and timed alone and
// beside a yardstick.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bench/cublas.h"
#include "bench/cudnn.h"
#include "bench/models.h"
#include "bench/work.h"
#include "kernels/attention.h"
#include "kernels/group_norm.h"

namespace imago::bench {

using LayerParams = std::variant<kernels::Conv2dForward, kernels::Conv2dBackwardInput,
                                 kernels::Conv2dBackwardWeight, kernels::GroupNormForward,
                                 kernels::GroupNormBackward, kernels::AttentionForward,
                                 kernels::AttentionBackward, kernels::Matmul>;

struct Layer {
  std::string launcher;   // its name in kernels/launchers.def
  std::string direction;  // forward, input, weight; backward where one launch makes all gradients
  LayerParams params;     // shapes count, pointers and type do not
  int64_t launches = 0;   // of this shape in one training step
};

// Read off one training step whose launches are dropped. Convolutions have a bias and nothing else
// added.
std::vector<Layer> layers_of(const Workload& workload);

// Those that could be opened, and for each of the others one sentence that says why not.
struct Yardsticks {
  std::unique_ptr<Cudnn> cudnn;
  std::unique_ptr<Cublas> cublas;
  std::vector<std::string> absent;
};
Yardsticks open_yardsticks(Device device);

inline constexpr const char* kOurs = "imago";

// One way to compute the layer.
struct Runner {
  std::string by;  // kOurs, cudnn, cublas
  std::function<void()> run;
  bool deterministic = true;
};

// A layer with operands on the default device.
class LoadedLayer {
 public:
  virtual ~LoadedLayer() = default;
  virtual Work work() const = 0;
  virtual Runner ours() const = 0;
  // The yardstick's ways, none where there is no yardstick; `why` then says why.
  virtual std::vector<Runner> rivals(const Yardsticks& yardsticks, bool allow_tf32,
                                     std::string& why) const = 0;
  // ||result - reference|| / ||reference||, the largest over all outputs, of a run that finds them
  // full of NaN. The reference is the CPU's in f64 from the same inputs, of the first images where
  // images do not matter to each other.
  virtual double error(const Runner& runner) const = 0;
};
std::unique_ptr<LoadedLayer> load(const Layer& layer, DType dtype);

}  // namespace imago::bench
