#include "bench/cublas.h"

#include "bench/cublas_api.h"
#include "bench/shared_library.h"
#include "core/check.h"
#include "core/tensor.h"

namespace imago::bench {

using namespace cublas_api;

struct Cublas::State {
  SharedLibrary library{{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}};
  Functions f;
  Owned<Handle> handle;

  void check(Status status, const char* what) const {
    IMAGO_CHECK(status == kSuccess, "cublas: ", what, ": ", f.error_string(status));
  }
  Owned<Layout> layout(DType dtype, int64_t rows, int64_t columns) const {
    Layout made = nullptr;
    check(f.create_layout(&made, dtype == DType::bf16 ? kBfloat16 : kFloat,
                          static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows),
          "layout");
    return {made, f.destroy_layout};
  }
};

namespace {

constexpr int64_t kWorkspace = int64_t{64} << 20;

}  // namespace

Cublas::Cublas() : state_(std::make_shared<State>()) {
  const SharedLibrary& lib = state_->library;
  Functions& f = state_->f;
  lib.load(f.create, "cublasLtCreate");
  lib.load(f.destroy, "cublasLtDestroy");
  lib.load(f.version, "cublasLtGetVersion");
  lib.load(f.error_string, "cublasLtGetStatusString");
  lib.load(f.create_descriptor, "cublasLtMatmulDescCreate");
  lib.load(f.destroy_descriptor, "cublasLtMatmulDescDestroy");
  lib.load(f.set_attribute, "cublasLtMatmulDescSetAttribute");
  lib.load(f.create_layout, "cublasLtMatrixLayoutCreate");
  lib.load(f.destroy_layout, "cublasLtMatrixLayoutDestroy");
  lib.load(f.create_preference, "cublasLtMatmulPreferenceCreate");
  lib.load(f.destroy_preference, "cublasLtMatmulPreferenceDestroy");
  lib.load(f.set_preference, "cublasLtMatmulPreferenceSetAttribute");
  lib.load(f.propose, "cublasLtMatmulAlgoGetHeuristic");
  lib.load(f.matmul, "cublasLtMatmul");
  Handle handle = nullptr;
  state_->check(f.create(&handle), "no handle");
  state_->handle = Owned<Handle>(handle, f.destroy);
}

Cublas::~Cublas() = default;

std::string Cublas::version() const {
  const size_t v = state_->f.version();
  return concat(v / 10000, ".", v / 100 % 100, ".", v % 100);
}

// cuBLAS stores columns, we store rows: what it computes is c^T = op(b)^T op(a)^T, of matrices that
// it sees transposed.
std::vector<std::function<void()>> Cublas::plans(const kernels::Matmul& p, bool allow_tf32,
                                                 int count) const {
  const State& s = *state_;
  const Functions& f = s.f;
  IMAGO_CHECK(p.batch == 1, "cublas: batch must be 1, got ", p.batch);

  struct Ready {
    Owned<Descriptor> product;
    Owned<Layout> a, b, c;
    Tensor workspace;
  };
  const auto ready = std::make_shared<Ready>();
  Descriptor product = nullptr;
  s.check(f.create_descriptor(
              &product, allow_tf32 && p.dtype == DType::f32 ? kComputeTf32 : kComputeFloat, kFloat),
          "product");
  ready->product = {product, f.destroy_descriptor};
  const auto set = [&](int attribute, const auto& value) {
    s.check(f.set_attribute(product, attribute, &value, sizeof(value)), "attribute");
  };
  const int32_t transposed = kTransposed;
  if (p.transpose_b) set(kTransposeA, transposed);
  if (p.transpose_a) set(kTransposeB, transposed);
  if (p.bias) {
    set(kEpilogue, int32_t{kEpilogueBias});
    set(kBiasPointer, p.bias);
    set(kBiasType, int32_t{p.dtype == DType::bf16 ? kBfloat16 : kFloat});
  }
  ready->a = p.transpose_b ? s.layout(p.dtype, p.K, p.N) : s.layout(p.dtype, p.N, p.K);
  ready->b = p.transpose_a ? s.layout(p.dtype, p.M, p.K) : s.layout(p.dtype, p.K, p.M);
  ready->c = s.layout(p.dtype, p.N, p.M);
  ready->workspace = Tensor(Shape{kWorkspace}, DType::u8);

  Preference made = nullptr;
  s.check(f.create_preference(&made), "preference");
  const Owned<Preference> preference(made, f.destroy_preference);
  const uint64_t workspace = kWorkspace;
  s.check(f.set_preference(made, kMaxWorkspace, &workspace, sizeof(workspace)), "workspace");
  std::vector<Proposal> proposals(static_cast<size_t>(count));
  int found = 0;
  s.check(f.propose(s.handle.get(), product, ready->a.get(), ready->b.get(), ready->c.get(),
                    ready->c.get(), made, count, proposals.data(), &found),
          "no algorithm takes this product");

  std::vector<std::function<void()>> plans;
  for (int i = 0; i < found; ++i) {
    const Proposal& proposal = proposals[static_cast<size_t>(i)];
    if (proposal.status != kSuccess) continue;
    plans.push_back([state = state_, ready, p, algorithm = proposal.algorithm] {
      const float one = 1, zero = 0;
      state->check(state->f.matmul(state->handle.get(), ready->product.get(), &one, p.b,
                                   ready->a.get(), p.a, ready->b.get(), &zero, p.c, ready->c.get(),
                                   p.c, ready->c.get(), &algorithm, ready->workspace.raw(),
                                   kWorkspace, current_stream(Device::cuda).handle),
                   "product");
    });
  }
  IMAGO_CHECK(!plans.empty(), "cublas: no algorithm takes this product");
  return plans;
}

}  // namespace imago::bench
