#include "bench/layers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "autograd/functions.h"
#include "bench/launch_observer.h"
#include "core/random.h"
#include "kernels/backend.h"

namespace imago::bench {
namespace {

using namespace kernels;

// ---- what the launchers' params are made of ----

enum class Role : uint8_t {
  input,
  output,
  wide_output,  // of the accumulator's type: statistics, gradients of weights
  wide_input,   // the same, from a forward pass
};
bool is_written(Role role) { return role == Role::output || role == Role::wide_output; }
bool is_wide(Role role) { return role == Role::wide_output || role == Role::wide_input; }

struct Operand {
  void** pointer;
  int64_t count;
  Role role;
};

// Params hold their inputs as const; here they are filled first.
Operand operand(const void*& pointer, int64_t count, Role role = Role::input) {
  return {const_cast<void**>(&pointer), count, role};
}
Operand operand(void*& pointer, int64_t count, Role role = Role::output) {
  return {&pointer, count, role};
}

int64_t x_count(const Conv2dShape& s) { return s.N * s.H * s.W * s.C; }
int64_t weight_count(const Conv2dShape& s) { return s.O * s.KH * s.KW * (s.C / s.groups); }
int64_t y_count(const Conv2dShape& s) { return s.N * s.HO * s.WO * s.O; }

std::vector<Operand> operands(Conv2dForward& p) {
  return {operand(p.x, x_count(p.shape)), operand(p.weight, weight_count(p.shape)),
          operand(p.bias, p.shape.O), operand(p.y, y_count(p.shape))};
}
std::vector<Operand> operands(Conv2dBackwardInput& p) {
  return {operand(p.dy, y_count(p.shape)), operand(p.weight, weight_count(p.shape)),
          operand(p.dx, x_count(p.shape))};
}
std::vector<Operand> operands(Conv2dBackwardWeight& p) {
  return {operand(p.dy, y_count(p.shape)), operand(p.x, x_count(p.shape)),
          operand(p.dweight, weight_count(p.shape), Role::wide_output)};
}
std::vector<Operand> operands(GroupNormForward& p) {
  const int64_t n = p.N * p.S * p.C;
  return {operand(p.x, n),
          operand(p.weight, p.C),
          operand(p.bias, p.C),
          operand(p.y, n),
          operand(p.mean, p.N * p.G, Role::wide_output),
          operand(p.rstd, p.N * p.G, Role::wide_output)};
}
std::vector<Operand> operands(GroupNormBackward& p) {
  const int64_t n = p.N * p.S * p.C;
  return {operand(p.dy, n),
          operand(p.x, n),
          operand(p.weight, p.C),
          operand(p.bias, p.C),
          operand(p.mean, p.N * p.G, Role::wide_input),
          operand(p.rstd, p.N * p.G, Role::wide_input),
          operand(p.dx, n),
          operand(p.dweight, p.C, Role::wide_output),
          operand(p.dbias, p.C, Role::wide_output)};
}
std::vector<Operand> operands(AttentionForward& p) {
  const int64_t q = p.N * p.T * p.C, k = p.N * p.S * p.C;
  return {operand(p.q, q), operand(p.k, k), operand(p.v, k), operand(p.y, q),
          operand(p.lse, p.N * p.heads * p.T, Role::wide_output)};
}
std::vector<Operand> operands(AttentionBackward& p) {
  const int64_t q = p.N * p.T * p.C, k = p.N * p.S * p.C;
  return {operand(p.dy, q),
          operand(p.q, q),
          operand(p.k, k),
          operand(p.v, k),
          operand(p.lse, p.N * p.heads * p.T, Role::wide_input),
          operand(p.dq, q),
          operand(p.dk, k),
          operand(p.dv, k)};
}
std::vector<Operand> operands(Matmul& p) {
  const auto count = [&](int64_t step, int64_t size) { return (step ? p.batch : 1) * size; };
  std::vector<Operand> all = {operand(p.a, count(p.a_step, p.M * p.K)),
                              operand(p.b, count(p.b_step, p.K * p.N)),
                              operand(p.c, count(p.c_step, p.M * p.N), p.wide ? Role::wide_output : Role::output)};
  if (p.bias) all.push_back(operand(p.bias, p.N));
  return all;
}

// So few images that the reference takes no time; gradients of weights are sums over all of them.
constexpr int64_t kCheckedImages = 2;
template <typename P>
void narrow(P& p) {
  if constexpr (requires { p.dweight; })
    return;
  else if constexpr (requires { p.shape; })
    p.shape.N = std::min(p.shape.N, kCheckedImages);
  else if constexpr (requires { p.heads; })
    p.N = std::min(p.N, kCheckedImages);
}

template <typename P>
void launch(const P& p, Device device) {
  const Backend& backend = backend_for(device);
  const Stream stream = current_stream(device);
  if constexpr (std::is_same_v<P, Conv2dForward>) backend.conv2d_forward(p, stream);
  if constexpr (std::is_same_v<P, Conv2dBackwardInput>) backend.conv2d_backward_input(p, stream);
  if constexpr (std::is_same_v<P, Conv2dBackwardWeight>) backend.conv2d_backward_weight(p, stream);
  if constexpr (std::is_same_v<P, GroupNormForward>) backend.group_norm_forward(p, stream);
  if constexpr (std::is_same_v<P, GroupNormBackward>) backend.group_norm_backward(p, stream);
  if constexpr (std::is_same_v<P, AttentionForward>) backend.attention_forward(p, stream);
  if constexpr (std::is_same_v<P, AttentionBackward>) backend.attention_backward(p, stream);
  if constexpr (std::is_same_v<P, Matmul>) backend.matmul(p, stream);
}

// What has to be computed before: nothing, or the statistics of the forward pass.
template <typename P>
void compute_statistics(const P&, Device) {}
void compute_statistics(const GroupNormBackward& p, Device device) {
  const Tensor y({p.N, p.S, p.C}, p.dtype, device);
  launch(GroupNormForward{.x = p.x,
                          .weight = p.weight,
                          .bias = p.bias,
                          .y = y.raw(),
                          .mean = const_cast<void*>(p.mean),
                          .rstd = const_cast<void*>(p.rstd),
                          .N = p.N,
                          .S = p.S,
                          .C = p.C,
                          .G = p.G,
                          .eps = 1e-5,
                          .activation = p.activation,
                          .kernel = p.kernel,
                          .dtype = p.dtype},
         device);
}
void compute_statistics(const AttentionBackward& p, Device device) {
  const Tensor y({p.N, p.T, p.C}, p.dtype, device);
  launch(AttentionForward{.q = p.q,
                          .k = p.k,
                          .v = p.v,
                          .y = y.raw(),
                          .lse = const_cast<void*>(p.lse),
                          .N = p.N,
                          .T = p.T,
                          .S = p.S,
                          .C = p.C,
                          .heads = p.heads,
                          .dtype = p.dtype},
         device);
}

// ---- yardsticks ----

constexpr size_t kPlans = 10;

template <typename P>
std::vector<Runner> rivals_of(const P&, const Yardsticks&, bool, std::string& why) {
  why = "no yardstick for this operation";
  return {};
}

std::vector<Runner> cudnn_runners(const Yardsticks& yardsticks, const Cudnn::Convolution& c,
                                  std::string& why) {
  if (!yardsticks.cudnn) return why = "no cuDNN", std::vector<Runner>();
  std::vector<Runner> runners;
  try {
    for (Cudnn::Plan& plan : yardsticks.cudnn->plans(c, kPlans))
      runners.push_back(
          {.by = "cudnn", .run = std::move(plan.run), .deterministic = plan.deterministic});
  } catch (const Error& e) {
    why = e.what();
  }
  return runners;
}

void* writable(const void* p) { return const_cast<void*>(p); }

std::vector<Runner> rivals_of(const Conv2dForward& p, const Yardsticks& y, bool, std::string& why) {
  return cudnn_runners(y,
                       {.direction = ConvDirection::forward,
                        .shape = p.shape,
                        .dtype = p.dtype,
                        .x = writable(p.x),
                        .weight = writable(p.weight),
                        .bias = writable(p.bias),
                        .y = p.y},
                       why);
}
std::vector<Runner> rivals_of(const Conv2dBackwardInput& p, const Yardsticks& y, bool,
                              std::string& why) {
  return cudnn_runners(y,
                       {.direction = ConvDirection::input,
                        .shape = p.shape,
                        .dtype = p.dtype,
                        .x = p.dx,
                        .weight = writable(p.weight),
                        .bias = nullptr,
                        .y = writable(p.dy)},
                       why);
}
std::vector<Runner> rivals_of(const Conv2dBackwardWeight& p, const Yardsticks& y, bool,
                              std::string& why) {
  return cudnn_runners(y,
                       {.direction = ConvDirection::weight,
                        .shape = p.shape,
                        .dtype = p.dtype,
                        .x = writable(p.x),
                        .weight = p.dweight,
                        .bias = nullptr,
                        .y = writable(p.dy)},
                       why);
}
std::vector<Runner> rivals_of(const Matmul& p, const Yardsticks& yardsticks, bool allow_tf32,
                              std::string& why) {
  if (!yardsticks.cublas) return why = "no cuBLAS", std::vector<Runner>();
  std::vector<Runner> runners;
  try {
    for (std::function<void()>& run : yardsticks.cublas->plans(p, allow_tf32, kPlans))
      runners.push_back({.by = "cublas", .run = std::move(run)});
  } catch (const Error& e) {
    why = e.what();
  }
  return runners;
}

// ---- a layer with its operands ----

DType accumulator_type(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

template <typename P>
class Loaded : public LoadedLayer {
 public:
  Loaded(P p, DType dtype) : ours_(p), theirs_(p), device_(default_device()) {
    ours_.dtype = theirs_.dtype = dtype;
    if constexpr (std::is_same_v<P, Matmul>) {
      ours_.wide = p.transpose_a;  // gradients of weights
      theirs_.wide = false;
    }
    const std::vector<Operand> ours = operands(ours_), theirs = operands(theirs_);
    for (size_t i = 0; i < ours.size(); ++i) {
      const auto [pointer, count, role] = ours[i];
      Tensor t({count}, is_wide(role) ? accumulator_type(dtype) : dtype);
      // Uniform with variance 1, as what a norm has passed on.
      const double bound = std::sqrt(3.0);
      if (role == Role::input) fill_uniform(t, {.seed = i}, -bound, bound);
      tensors_.push_back(t);
      // Yardsticks give all results in the type of their operands.
      rivals_tensors_.push_back(
          role == Role::wide_output && t.dtype() != dtype ? Tensor({count}, dtype) : t);
      *pointer = t.raw();
      *theirs[i].pointer = rivals_tensors_[i].raw();
    }
    compute_statistics(ours_, device_);
  }

  Work work() const override { return work_of(ours_); }
  Runner ours() const override {
    return {.by = kOurs, .run = [this] { launch(ours_, device_); }};
  }
  std::vector<Runner> rivals(const Yardsticks& yardsticks, bool allow_tf32,
                             std::string& why) const override {
    return rivals_of(theirs_, yardsticks, allow_tf32, why);
  }

  double error(const Runner& runner) const override {
    const std::vector<Tensor>& results = runner.by == kOurs ? tensors_ : rivals_tensors_;
    P p = ours_;
    const std::vector<Operand> all = operands(p);
    for (size_t i = 0; i < all.size(); ++i)
      if (is_written(all[i].role))
        Tensor(results[i]).fill(std::numeric_limits<double>::quiet_NaN());
    runner.run();
    const std::vector<Tensor>& expected = reference();
    double largest = 0;
    for (size_t i = 0; i < all.size(); ++i)
      if (is_written(all[i].role)) largest = std::max(largest, gap(results[i], expected[i]));
    return largest;
  }

 private:
  // Relative to the reference, over as many elements as that has.
  static double gap(const Tensor& t, const Tensor& expected) {
    const std::vector<double> got = t.view(0, {expected.numel()}).template to_vector<double>();
    const double* want = expected.data<double>();
    double gap = 0, scale = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      gap += (got[i] - want[i]) * (got[i] - want[i]);
      scale += want[i] * want[i];
    }
    return std::isnan(gap) ? std::numeric_limits<double>::infinity() : std::sqrt(gap / scale);
  }

  const std::vector<Tensor>& reference() const {
    if (!reference_.empty()) return reference_;
    P p = ours_;
    p.dtype = DType::f64;
    narrow(p);
    const std::vector<Operand> all = operands(p);
    for (size_t i = 0; i < all.size(); ++i) {
      const Operand& o = all[i];
      const Tensor t = is_written(o.role)
                           ? Tensor({o.count}, DType::f64, Device::cpu)
                           : tensors_[i].view(0, {o.count}).clone().to(Device::cpu).to(DType::f64);
      *o.pointer = t.raw();
      reference_.push_back(t);
    }
    launch(p, Device::cpu);
    return reference_;
  }

  P ours_, theirs_;
  Device device_;
  std::vector<Tensor> tensors_, rivals_tensors_;  // as operands()
  mutable std::vector<Tensor> reference_;         // the same on the CPU in f64, of the first images
};

std::string direction_of(const Matmul& p) {
  return p.transpose_a ? "weight" : p.transpose_b ? "forward" : "input";
}
template <typename P>
std::string direction_of(const P&) {
  if constexpr (std::is_same_v<P, Conv2dBackwardInput>) return "input";
  if constexpr (std::is_same_v<P, Conv2dBackwardWeight>) return "weight";
  if constexpr (std::is_same_v<P, GroupNormBackward> || std::is_same_v<P, AttentionBackward>)
    return "backward";
  return "forward";
}

template <typename P>
void plain(P&) {}
void plain(Conv2dForward& p) { p.channel_bias = p.residual = nullptr; }

// Adds the launch to the layers if it is of type P.
template <typename P>
bool note(const Launch& launch, std::map<std::string, size_t>& known, std::vector<Layer>& layers) {
  const P* found = launch.as<P>();
  if (!found) return false;
  P p = *found;
  plain(p);
  const std::string direction = direction_of(p);
  const std::string key = concat(launch.launcher, " ", direction, " ", work_of(p).shape);
  const auto [at, is_new] = known.try_emplace(key, layers.size());
  if (is_new)
    layers.push_back(
        {.launcher = launch.launcher, .direction = direction, .params = p, .launches = 0});
  ++layers[at->second].launches;
  return true;
}

template <typename... Ps>
void note_any(std::variant<Ps...>*, const Launch& launch, std::map<std::string, size_t>& known,
              std::vector<Layer>& layers) {
  (note<Ps>(launch, known, layers) || ...);
}

template <typename T>
std::unique_ptr<T> open(std::vector<std::string>& absent) {
  try {
    return std::make_unique<T>();
  } catch (const Error& e) {
    absent.push_back(e.what());
    return nullptr;
  }
}

}  // namespace

std::vector<Layer> layers_of(const Workload& workload) {
  std::vector<Layer> layers;
  std::map<std::string, size_t> known;
  const Device before = default_device();
  set_default_device(Device::cpu);  // memory that nobody touches costs nothing there
  {
    const nn::UNet2D model(workload.config, nn::Init::none());
    const Tensor x(workload.images()), t = Tensor::zeros({workload.batch}, DType::i64);
    const LaunchObserver observer(
        Device::cpu, [&](const Launch& launch, const std::function<void()>&) {
          note_any(static_cast<LayerParams*>(nullptr), launch, known, layers);
        });
    mse_loss(model(x, t), x).backward();
  }
  set_default_device(before);
  return layers;
}

Yardsticks open_yardsticks(Device device) {
  Yardsticks y;
  if (device != Device::cuda) {
    y.absent.push_back(concat("cuDNN and cuBLAS are for GPUs, this ran on ", device));
    return y;
  }
  y.cudnn = open<Cudnn>(y.absent);
  y.cublas = open<Cublas>(y.absent);
  return y;
}

std::unique_ptr<LoadedLayer> load(const Layer& layer, DType dtype) {
  return std::visit(
      [&]<typename P>(const P& p) -> std::unique_ptr<LoadedLayer> {
        return std::make_unique<Loaded<P>>(p, dtype);
      },
      layer.params);
}

}  // namespace imago::bench
