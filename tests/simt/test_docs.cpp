// The passages of code in docs/kernels/emulator.md.
#include "support.h"

namespace simt::tests {
namespace {

// clang-format off
// snippet kernel
// y = x transposed, both (n, n); n is a multiple of 32. One block of (32, 8) threads for each tile.
template <typename T>
__global__ void __launch_bounds__(256) transpose_kernel(const T* __restrict__ x, T* __restrict__ y, int n) {
  SIMT_SHARED(T, tile, [32][33]);  // __shared__ T tile[32][33];
  const int column = threadIdx.x, x0 = blockIdx.x * 32, y0 = blockIdx.y * 32;
  for (int row = threadIdx.y; row < 32; row += 8) tile[row][column] = x[(y0 + row) * n + x0 + column];
  __syncthreads();
  for (int row = threadIdx.y; row < 32; row += 8) y[(x0 + row) * n + y0 + column] = tile[column][row];
}

void transpose(const float* x, float* y, int n, simt::Stream stream) {
  const dim3 grid(n / 32, n / 32), block(32, 8);
  simt::launch(transpose_kernel<float>, grid, block, 0, stream, x, y, n);
}
// end
// clang-format on

TEST_CASE("the example of the documentation transposes") {
  DeviceArray<float> x(ramp(96 * 96)), y(96 * 96);
  transpose(x.data(), y.data(), 96, nullptr);
  const auto v = y.read();
  for (size_t i = 0; i < 96 * 96; ++i) CHECK(v[i] == static_cast<float>(i % 96 * 96 + i / 96));
}

}  // namespace
}  // namespace simt::tests
