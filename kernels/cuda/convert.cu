// Tensor::fill() and Tensor::to(dtype) of the device: so that nothing in a step touches the host.
#include "core/element_cast.h"
#include "kernels/cuda/device/elementwise.cuh"
#include "kernels/cuda/device/memory.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace {

template <typename T>
struct Fill {
  T* y;
  T value;

  template <int N>
  __device__ void run(int64_t i) const {
    Pack<T, N> values;
    for (int k = 0; k < N; ++k) values.v[k] = value;
    store_pack(y + i, values);
  }
};

template <typename To, typename From>
struct Convert {
  const From* x;
  To* y;

  template <int N>
  __device__ void run(int64_t i) const {
    const Pack<From, N> values = load_pack<N>(x + i);
    Pack<To, N> converted;
    for (int k = 0; k < N; ++k) converted.v[k] = element_cast<To>(values.v[k]);
    store_pack(y + i, converted);
  }
};

}  // namespace

void fill(void* to, DType dtype, int64_t n, double value, Stream stream) {
  visit_element(dtype, "fill", [&]<typename T>() {
    const Fill<T> body{static_cast<T*>(to), element_cast<T>(value)};
    for_each_pack<T>(n, stream, body, body.y);
  });
}

// A pack is 16 bytes of the wider type.
void convert(void* to, DType to_type, const void* from, DType from_type, int64_t n, Stream stream) {
  visit_element(to_type, "convert", [&]<typename To>() {
    visit_element(from_type, "convert", [&]<typename From>() {
      using Wider = std::conditional_t<(sizeof(To) > sizeof(From)), To, From>;
      const Convert<To, From> body{static_cast<const From*>(from), static_cast<To*>(to)};
      for_each_pack<Wider>(n, stream, body, body.x, body.y);
    });
  });
}

}  // namespace imago::kernels::IMAGO_BACKEND
