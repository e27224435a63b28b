#include "bench/cudnn.h"

#include <algorithm>
#include <array>
#include <span>

#include "bench/cudnn_api.h"
#include "bench/shared_library.h"
#include "core/check.h"
#include "core/tensor.h"

namespace imago::bench {

using namespace cudnn_api;

struct Cudnn::State {
  SharedLibrary library{{"libcudnn.so.9", "libcudnn.so"}};
  Functions f;
  Owned<Handle> handle;

  void check(Status status, const char* what) const {
    IMAGO_CHECK(status == kSuccess, "cudnn: ", what, ": ", f.error_string(status));
  }
};

namespace {

int64_t data_type(DType dtype) { return dtype == DType::bf16 ? kBfloat16 : kFloat; }

// A descriptor: attributes are set, then it is finalized.
class Node {
 public:
  Node(const Functions& f, int kind) : f_(f) {
    Descriptor d = nullptr;
    const Status status = f.create_descriptor(kind, &d);
    IMAGO_CHECK(status == kSuccess, "cudnn: descriptor ", kind,
                " cannot be made: ", f.error_string(status));
    descriptor_ = Owned<Descriptor>(d, f.destroy_descriptor);
  }

  Node& set(int attribute, int type, const void* values, int64_t count = 1) {
    const Status status = f_.set_attribute(descriptor_.get(), attribute, type, count, values);
    IMAGO_CHECK(status == kSuccess, "cudnn: attribute ", attribute, ": ", f_.error_string(status));
    return *this;
  }
  Node& set(int attribute, int type, int value) { return set(attribute, type, &value); }
  Node& set(int attribute, int64_t value) { return set(attribute, kTypeInt64, &value); }
  Node& set(int attribute, std::span<const int64_t> values) {
    return set(attribute, kTypeInt64, values.data(), static_cast<int64_t>(values.size()));
  }
  Node& set(int attribute, float value) { return set(attribute, kTypeFloat, &value); }
  Node& set(int attribute, bool value) { return set(attribute, kTypeBoolean, &value); }
  Node& set(int attribute, const Node& child) {
    const Descriptor d = child.get();
    return set(attribute, kTypeDescriptor, &d);
  }
  // False if cuDNN does not support what is described.
  bool try_finalize() { return f_.finalize(descriptor_.get()) == kSuccess; }
  Node finalize(const char* what) && {
    const Status status = f_.finalize(descriptor_.get());
    IMAGO_CHECK(status == kSuccess, "cudnn: ", what, ": ", f_.error_string(status));
    return std::move(*this);
  }
  Descriptor get() const { return descriptor_.get(); }

 private:
  const Functions& f_;
  Owned<Descriptor> descriptor_;
};

enum TensorId : int64_t { kX = 1, kW, kY, kBias, kSum };

// A tensor of four axes whose second one, the channels, lies innermost.
Node tensor(const Functions& f, TensorId id, const std::array<int64_t, 4>& nchw, DType dtype,
            bool is_virtual = false) {
  const auto [n, c, h, w] = nchw;
  const std::array<int64_t, 4> strides = {h * w * c, 1, w * c, c};
  Node node(f, kTensor);
  node.set(kTensorDataType, kTypeDataType, static_cast<int>(data_type(dtype)));
  node.set(kTensorDimensions, nchw)
      .set(kTensorStrides, strides)
      .set(kTensorId, static_cast<int64_t>(id));
  node.set(kTensorAlignment, int64_t{16}).set(kTensorIsVirtual, is_virtual);
  return std::move(node).finalize("tensor");
}

Node convolution(const Functions& f, const kernels::Conv2dShape& s) {
  const std::array<int64_t, 2> strides = {s.stride, s.stride}, dilations = {1, 1},
                               before = {s.top, s.left};
  // Below and right of the image, as much as the last output looks at.
  const std::array<int64_t, 2> after = {
      std::max<int64_t>(0, (s.HO - 1) * s.stride + s.KH - s.top - s.H),
      std::max<int64_t>(0, (s.WO - 1) * s.stride + s.KW - s.left - s.W)};
  Node node(f, kConvolution);
  node.set(kConvolutionComputeType, kTypeDataType, kFloat);
  node.set(kConvolutionMode, kTypeConvolutionMode, kCrossCorrelation)
      .set(kConvolutionSpatialDims, int64_t{2});
  node.set(kConvolutionPrePaddings, before).set(kConvolutionPostPaddings, after);
  node.set(kConvolutionStrides, strides).set(kConvolutionDilations, dilations);
  return std::move(node).finalize("convolution");
}

// The operations of a convolution in one direction, and the tensors that they are about.
struct Graph {
  std::vector<Node> nodes;  // kept alive
  std::vector<Descriptor> operations;

  const Node& keep(Node node) { return nodes.emplace_back(std::move(node)); }
};

Graph describe(const Functions& f, const Cudnn::Convolution& c) {
  const kernels::Conv2dShape& s = c.shape;
  Graph g;
  g.nodes.reserve(16);  // references to them stay valid
  const bool add_bias = c.bias != nullptr;
  const std::array<int64_t, 4> y_shape = {s.N, s.O, s.HO, s.WO};
  const Node& x = g.keep(tensor(f, kX, {s.N, s.C, s.H, s.W}, c.dtype));
  const Node& w = g.keep(tensor(f, kW, {s.O, s.C / s.groups, s.KH, s.KW}, c.dtype));
  const Node& y = g.keep(tensor(f, kY, y_shape, c.dtype));
  const Node& conv = g.keep(convolution(f, s));
  if (c.direction == ConvDirection::input) {
    Node operation(f, kOperationBackwardData);
    operation.set(kDataDx, x).set(kDataW, w).set(kDataDy, y).set(kDataConvolution, conv);
    operation.set(kDataAlpha, 1.0f).set(kDataBeta, 0.0f);
    g.operations.push_back(g.keep(std::move(operation).finalize("gradient of the input")).get());
    return g;
  }
  if (c.direction == ConvDirection::weight) {
    Node operation(f, kOperationBackwardFilter);
    operation.set(kFilterX, x).set(kFilterDw, w).set(kFilterDy, y).set(kFilterConvolution, conv);
    operation.set(kFilterAlpha, 1.0f).set(kFilterBeta, 0.0f);
    g.operations.push_back(g.keep(std::move(operation).finalize("gradient of the weights")).get());
    return g;
  }
  const Node* sum = &y;
  if (add_bias) sum = &g.keep(tensor(f, kSum, y_shape, DType::f32, /*is_virtual=*/true));
  Node operation(f, kOperationForward);
  operation.set(kForwardX, x).set(kForwardW, w).set(kForwardY, *sum).set(kForwardConvolution, conv);
  operation.set(kForwardAlpha, 1.0f).set(kForwardBeta, 0.0f);
  g.operations.push_back(g.keep(std::move(operation).finalize("forward")).get());
  if (!add_bias) return g;
  const Node& bias = g.keep(tensor(f, kBias, {1, s.O, 1, 1}, c.dtype));
  Node add(f, kPointwise);
  add.set(kPointwiseMode, kTypePointwiseMode, kAdd)
      .set(kPointwiseMathPrecision, kTypeDataType, kFloat);
  const Node& plus = g.keep(std::move(add).finalize("sum"));
  Node pointwise(f, kOperationPointwise);
  pointwise.set(kOperationPointwiseDescriptor, plus).set(kOperationPointwiseX, *sum);
  pointwise.set(kOperationPointwiseB, bias).set(kOperationPointwiseY, y);
  g.operations.push_back(g.keep(std::move(pointwise).finalize("bias")).get());
  return g;
}

std::vector<Node> engine_configs(const Functions& f, const Node& graph, int mode, size_t count) {
  Node heuristics(f, kEngineHeuristics);
  heuristics.set(kHeuristicsGraph, graph).set(kHeuristicsMode, kTypeHeuristicMode, mode);
  if (!heuristics.try_finalize()) return {};
  std::vector<Node> configs;
  std::vector<Descriptor> descriptors;
  for (size_t i = 0; i < count; ++i)
    descriptors.push_back(configs.emplace_back(f, kEngineConfig).get());
  int64_t found = 0;
  const Status status = f.get_attribute(heuristics.get(), kHeuristicsResults, kTypeDescriptor,
                                        static_cast<int64_t>(count), &found, descriptors.data());
  if (status != kSuccess) found = 0;
  while (static_cast<int64_t>(configs.size()) > found) configs.pop_back();
  return configs;
}

std::vector<int> numerical_notes(const Functions& f, const Node& config) {
  const Node engine(f, kEngine);
  Descriptor d = engine.get();
  int64_t found = 0;
  if (f.get_attribute(config.get(), kEngineConfigEngine, kTypeDescriptor, 1, &found, &d) !=
      kSuccess)
    return {};
  std::vector<int> notes(kNoteCount);
  if (f.get_attribute(d, kEngineNumericalNotes, kTypeNumericalNote, kNoteCount, &found,
                      notes.data()) != kSuccess)
    found = 0;
  notes.resize(static_cast<size_t>(std::clamp<int64_t>(found, 0, kNoteCount)));
  return notes;
}

// What one queued run needs, and what that was made from.
struct Ready {
  std::shared_ptr<const Graph> graph;
  Node config, plan, pack;
  Tensor workspace;
};

// Null if cuDNN cannot do it this way.
std::shared_ptr<Ready> prepare(const Functions& f, Handle handle,
                               const std::shared_ptr<const Graph>& graph, Node config,
                               const Cudnn::Convolution& c) {
  Node plan(f, kExecutionPlan);
  plan.set(kPlanHandle, kTypeHandle, &handle).set(kPlanEngineConfig, config);
  if (!plan.try_finalize()) return nullptr;
  int64_t bytes = 0, found = 0;
  if (f.get_attribute(plan.get(), kPlanWorkspaceSize, kTypeInt64, 1, &found, &bytes) != kSuccess)
    return nullptr;
  const Tensor workspace(Shape{bytes + 256}, DType::u8);

  std::vector<int64_t> ids = {kX, kW, kY};
  std::vector<void*> pointers = {c.x, c.weight, c.y};
  if (c.bias && c.direction == ConvDirection::forward)
    ids.push_back(kBias), pointers.push_back(c.bias);
  const int64_t count = static_cast<int64_t>(ids.size());
  void* const scratch = workspace.raw();
  Node pack(f, kVariantPack);
  pack.set(kPackIds, std::span<const int64_t>(ids))
      .set(kPackPointers, kTypeVoidPointer, pointers.data(), count);
  pack.set(kPackWorkspace, kTypeVoidPointer, &scratch);
  if (!pack.try_finalize()) return nullptr;
  return std::make_shared<Ready>(Ready{graph, std::move(config), std::move(plan), std::move(pack), workspace});
}

}  // namespace

Cudnn::Cudnn() : state_(std::make_shared<State>()) {
  const SharedLibrary& lib = state_->library;
  Functions& f = state_->f;
  lib.load(f.create, "cudnnCreate");
  lib.load(f.destroy, "cudnnDestroy");
  lib.load(f.set_stream, "cudnnSetStream");
  lib.load(f.version, "cudnnGetVersion");
  lib.load(f.error_string, "cudnnGetErrorString");
  lib.load(f.create_descriptor, "cudnnBackendCreateDescriptor");
  lib.load(f.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  lib.load(f.set_attribute, "cudnnBackendSetAttribute");
  lib.load(f.get_attribute, "cudnnBackendGetAttribute");
  lib.load(f.finalize, "cudnnBackendFinalize");
  lib.load(f.execute, "cudnnBackendExecute");
  IMAGO_CHECK(f.version() / 10000 == 9, "cudnn: ", lib.name(), " must be version 9, got ",
              f.version());
  Handle handle = nullptr;
  state_->check(f.create(&handle), "no handle");
  state_->handle = Owned<Handle>(handle, f.destroy);
}

Cudnn::~Cudnn() = default;

std::string Cudnn::version() const {
  const size_t v = state_->f.version();
  return concat(v / 10000, ".", v / 100 % 100, ".", v % 100);
}

std::vector<Cudnn::Plan> Cudnn::plans(const Convolution& c, size_t count) const {
  const Functions& f = state_->f;
  const Handle handle = state_->handle.get();
  const auto graph = std::make_shared<Graph>(describe(f, c));
  Node node(f, kOperationGraph);
  node.set(kGraphHandle, kTypeHandle, &handle);
  node.set(kGraphOperations, kTypeDescriptor, graph->operations.data(),
           static_cast<int64_t>(graph->operations.size()));
  const Node& operations = graph->keep(std::move(node).finalize("graph"));

  std::vector<Plan> plans;
  for (const int mode : {kHeuristicsA, kHeuristicsFallback})
    for (Node& config : engine_configs(f, operations, mode, 2 * count)) {
      const std::vector<int> notes = numerical_notes(f, config);
      const auto has = [&](int note) {
        return std::find(notes.begin(), notes.end(), note) != notes.end();
      };
      if (has(kNoteDownConvertInputs) || has(kNoteReducedPrecisionReduction)) continue;
      if (plans.size() == count) return plans;
      if (const std::shared_ptr<Ready> ready = prepare(f, handle, graph, std::move(config), c)) {
        const auto run = [state = state_, ready] {
          const Handle handle = state->handle.get();
          state->check(state->f.set_stream(handle, current_stream(Device::cuda).handle), "stream");
          state->check(state->f.execute(handle, ready->plan.get(), ready->pack.get()), "execution");
        };
        plans.push_back({.run = run,
                         .tensor_cores = has(kNoteTensorCore),
                         .deterministic = !has(kNoteNondeterministic)});
      }
    }
  IMAGO_CHECK(!plans.empty(), "cudnn: no engine takes this convolution");
  return plans;
}

}  // namespace imago::bench
