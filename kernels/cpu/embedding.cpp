#include "kernels/embedding.h"

#include "kernels/cpu/rows.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T, typename Id>
void forward(const EmbeddingForward& p) {
  const int64_t C = p.C;
  const Id* ids = static_cast<const Id*>(p.ids);
  const T* weight = static_cast<const T*>(p.weight);
  T* y = static_cast<T*>(p.y);
  parallel_chunks(p.M, row_grain(C), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(y + i * C, weight + ids[i] * C, static_cast<size_t>(C) * sizeof(T));
  });
}

// A task owns some columns of the table and goes through the ids in order: two ids that are equal
// never meet.
template <typename T, typename Id>
void backward(const EmbeddingBackward& p) {
  const int64_t C = p.C;
  const Id* ids = static_cast<const Id*>(p.ids);
  const T* dy = static_cast<const T*>(p.dy);
  T* dweight = static_cast<T*>(p.dweight);
  parallel_chunks(C, 64, [=](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < p.M; ++i)
      for (int64_t c = begin; c < end; ++c) dweight[ids[i] * C + c] += dy[i * C + c];
  });
}

}  // namespace

void embedding_forward(const EmbeddingForward& p, Stream) {
  visit<int32_t, int64_t>(p.ids_dtype, "embedding", [&]<typename Id>() {
    visit<float, double>(p.dtype, "embedding", [&]<typename T>() { forward<T, Id>(p); });
  });
}

void embedding_backward(const EmbeddingBackward& p, Stream) {
  visit<int32_t, int64_t>(p.ids_dtype, "embedding", [&]<typename Id>() {
    visit<float, double>(p.dtype, "embedding", [&]<typename T>() { backward<T, Id>(p); });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
