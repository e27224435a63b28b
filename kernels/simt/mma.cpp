// ldmatrix and mma.sync with the fragment layouts of the PTX ISA, "Warp-level matrix instructions". Throughout,
// g = lane / 4 and t = lane % 4.
#include <bit>
#include <cstring>

#include "kernels/simt/scheduler.h"
#include "kernels/simt/tensor_core.h"

namespace simt::detail {
namespace {

// ---- ldmatrix: lane 8 m + r brings row r of matrix m; lane (g, t) gets elements 2t and 2t + 1 of row g of each
// matrix, or of column g if transposed.
struct MatrixRow {
  uint16_t row[8];
  unsigned* registers;
};

template <unsigned count, bool transposed>
void do_load(void** operands, uint32_t) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const unsigned g = lane / 4, t2 = lane % 4 * 2;
    for (unsigned m = 0; m < count; ++m) {
      const auto element = [&](unsigned row, unsigned column) {
        return uint32_t{static_cast<const MatrixRow*>(operands[m * 8 + row])->row[column]};
      };
      static_cast<MatrixRow*>(operands[lane])->registers[m] =
          transposed ? element(t2, g) | element(t2 + 1, g) << 16 : element(g, t2) | element(g, t2 + 1) << 16;
    }
  }
}

template <bool transposed>
WarpOperation load_operation(unsigned count) {
  return count == 1 ? do_load<1, transposed> : count == 2 ? do_load<2, transposed> : do_load<4, transposed>;
}

// ---- mma.sync
struct Operands {
  float* d;
  const unsigned* a;
  const unsigned* b;
};

// D (16, 8): registers 0 and 1 are row g, columns 2t and 2t + 1; 2 and 3 are row g + 8. Products are exact and summed
// in double: how the hardware rounds its sums is not documented.
template <unsigned K>
void accumulate(void** operands, const double (&A)[16][K], const double (&B)[K][8]) {
  double D[16][8] = {};
  for (unsigned i = 0; i < 16; ++i)
    for (unsigned k = 0; k < K; ++k)
      for (unsigned j = 0; j < 8; ++j) D[i][j] += A[i][k] * B[k][j];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    float* d = static_cast<Operands*>(operands[lane])->d;
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; ++i) {
      d[i] = static_cast<float>(static_cast<double>(d[i]) + D[g + i / 2 * 8][t * 2 + i % 2]);
    }
  }
}

double bf16_half(unsigned bits, unsigned half) {
  return static_cast<double>(std::bit_cast<float>(bits >> (16 * half) << 16));
}
// The low 13 bits of a tf32 operand are ignored.
double tf32(unsigned bits) { return static_cast<double>(std::bit_cast<float>(bits & 0xFFFFE000u)); }

// A (16, 16): registers 0 to 3 are rows g, g + 8, g, g + 8 and columns 2t, 2t + 1, in 2 and 3 eight more.
// B (16, 8): registers 0 and 1 are rows 2t, 2t + 1, in 1 eight more, and column g.
void do_bf16(void** operands, uint32_t) {
  double A[16][16], B[16][8];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto& o = *static_cast<const Operands*>(operands[lane]);
    const unsigned g = lane / 4, t2 = lane % 4 * 2;
    for (unsigned h = 0; h < 2; ++h) {
      for (unsigned i = 0; i < 4; ++i) A[g + i % 2 * 8][t2 + h + i / 2 * 8] = bf16_half(o.a[i], h);
      for (unsigned i = 0; i < 2; ++i) B[t2 + h + i * 8][g] = bf16_half(o.b[i], h);
    }
  }
  accumulate(operands, A, B);
}

// A (16, 8): registers 0 to 3 are (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4). B (8, 8): (t, g), (t + 4, g).
void do_tf32(void** operands, uint32_t) {
  double A[16][8], B[8][8];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto& o = *static_cast<const Operands*>(operands[lane]);
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; ++i) A[g + i % 2 * 8][t + i / 2 * 4] = tf32(o.a[i]);
    for (unsigned i = 0; i < 2; ++i) B[t + i * 4][g] = tf32(o.b[i]);
  }
  accumulate(operands, A, B);
}

// All 32 lanes take part: "the mandatory .sync".
void meet_whole_warp(void* operand, WarpOperation operation, const Site& site) {
  const Lane& me = self();
  if (me.warp->exists != ~0u) fail(*me.block, "%s: must be called by a warp of 32 threads", describe(site).text);
  warp_meet(~0u, operand, operation, site);
}

}  // namespace

void load_matrices(unsigned* registers, unsigned count, bool transposed, const void* row, Site site) {
  MatrixRow mine{{}, registers};
  const Lane& me = self();
  if (me.lane < 8 * count) {
    if (shared_offset(row, site) % 16 != 0) {
      fail(*me.block, "%s: misaligned: row must be a multiple of 16 bytes", describe(site).text);
    }
    check::read(row, 16, __builtin_return_address(0));
    std::memcpy(mine.row, row, 16);
  }
  meet_whole_warp(&mine, transposed ? load_operation<true>(count) : load_operation<false>(count), site);
}

void multiply_accumulate(MmaShape shape, float* d, const unsigned* a, const unsigned* b, Site site) {
  Operands mine{d, a, b};
  meet_whole_warp(&mine, shape == MmaShape::bf16_m16n8k16 ? do_bf16 : do_tf32, site);
}

}  // namespace simt::detail
