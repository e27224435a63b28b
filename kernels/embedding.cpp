#include "kernels/embedding.h"

#include <vector>

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

void check_range(const Tensor& ids, int64_t V) {
  visit<int32_t, int64_t>(ids.dtype(), "embedding", [&]<typename Id>() {
    const Id* id = ids.data<Id>();
    for (int64_t i = 0; i < ids.numel(); ++i)
      IMAGO_CHECK(0 <= id[i] && id[i] < V, "embedding: ids must be in [0, ", V, "), got ", id[i],
                  " at position ", i);
  });
}

}  // namespace

Tensor embedding(const Tensor& ids, const Tensor& weight) {
  IMAGO_CHECK(weight.rank() == 2, "embedding: weight must be (V, C), got ", weight.shape());
  IMAGO_CHECK(ids.dtype() == DType::i32 || ids.dtype() == DType::i64,
              "embedding: ids must be i32 or i64, got ", ids.dtype());
  check_same_device("embedding", weight, {{"ids", ids}});
  if (ids.on_host()) check_range(ids, weight.dim(0));
  const int64_t C = weight.dim(1);
  std::vector<int64_t> dims(ids.shape().begin(), ids.shape().end());
  dims.push_back(C);
  Tensor y(Shape(dims), weight.dtype(), weight.device());
  const EmbeddingForward p{.ids = ids.raw(),
                           .weight = weight.raw(),
                           .y = y.raw(),
                           .M = ids.numel(),
                           .C = C,
                           .ids_dtype = ids.dtype(),
                           .dtype = weight.dtype()};
  if (y.numel()) backend_for(weight.device()).embedding_forward(p, current_stream(weight.device()));
  return y;
}

Tensor embedding_backward(const Tensor& dy, const Tensor& ids, int64_t vocabulary) {
  const int64_t C = dy.dim(-1);
  IMAGO_CHECK(dy.shape().without(-1) == ids.shape(), "embedding_backward: dy must be ids' ",
              ids.shape(), " with C behind, got ", dy.shape());
  Tensor dweight = Tensor::zeros({vocabulary, C}, dy.dtype(), dy.device());
  const EmbeddingBackward p{.ids = ids.raw(),
                            .dy = dy.raw(),
                            .dweight = dweight.raw(),
                            .M = ids.numel(),
                            .C = C,
                            .ids_dtype = ids.dtype(),
                            .dtype = dy.dtype()};
  if (dy.numel()) backend_for(dy.device()).embedding_backward(p, current_stream(dy.device()));
  return dweight;
}

}  // namespace imago::kernels
