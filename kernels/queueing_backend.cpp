#include "kernels/queueing_backend.h"

#include <type_traits>

#include "core/host_queue.h"
#include "kernels/adamw.h"
#include "kernels/add_noise.h"
#include "kernels/attention.h"
#include "kernels/axpy.h"
#include "kernels/batch_rows.h"
#include "kernels/binary.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/non_finite.h"
#include "kernels/denoise_step.h"
#include "kernels/dropout.h"
#include "kernels/ema.h"
#include "kernels/embedding.h"
#include "kernels/fill_random.h"
#include "kernels/finish_step.h"
#include "kernels/group_norm.h"
#include "kernels/layer_norm.h"
#include "kernels/loss.h"
#include "kernels/matmul.h"
#include "kernels/next_timestep.h"
#include "kernels/noisy_images.h"
#include "kernels/pad.h"
#include "kernels/permute.h"
#include "kernels/pick_images.h"
#include "kernels/pool2d.h"
#include "kernels/scale.h"
#include "kernels/sgd.h"
#include "kernels/softmax.h"
#include "kernels/sum.h"
#include "kernels/sum_rows.h"
#include "kernels/sum_squares.h"
#include "kernels/timestep_embedding.h"
#include "kernels/unary.h"
#include "kernels/upsample_nearest.h"

namespace imago::kernels {
namespace {

// A kept launch has its arguments by value.
#define LAUNCHER(name, Params)                                                                     \
  static_assert(std::is_trivially_copyable_v<Params>, #Params " must be made of plain values");   \
  void name(const Params& p, Stream stream) {                                                      \
    queue_on_host(stream, [p] { cpu_backend().name(p, {}); });                                     \
  }
#include "kernels/launchers.def"
#undef LAUNCHER

}  // namespace

const Backend& queueing_backend() {
  static constexpr Backend backend{
      "cpu, queued",
#define LAUNCHER(name, Params) name,
#include "kernels/launchers.def"
#undef LAUNCHER
  };
  return backend;
}

}  // namespace imago::kernels
