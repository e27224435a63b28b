#include "kernels/binary.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

// Extent of axis i of kMaxRank axes, with axes of extent 1 put in front.
int64_t aligned(const Shape& shape, int i) {
  const int missing = kMaxRank - shape.rank();
  return i < missing ? 1 : shape[i - missing];
}

Shape broadcast(BinaryOp op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<int64_t, kMaxRank> dims{};
  for (int i = kMaxRank - rank; i < kMaxRank; ++i) {
    const int64_t m = aligned(a, i), n = aligned(b, i);
    IMAGO_CHECK(m == n || m == 1 || n == 1, name_of(op), ": shapes ", a, " and ", b,
                " do not broadcast");
    dims[static_cast<size_t>(i)] = m == 1 ? n : m;
  }
  return Shape(std::span(dims).last(static_cast<size_t>(rank)));
}

// Fills in rank (0 so far), extents and strides. An axis joins the one before it where either both
// operands go through or one of them is repeated along both.
void plan(const Shape& a, const Shape& b, BinaryForward& p) {
  for (int i = 0; i < kMaxRank; ++i) {
    const int64_t m = aligned(a, i), n = aligned(b, i), extent = m == 1 ? n : m;
    if (extent == 1) continue;
    const bool a_moves = m != 1, b_moves = n != 1;
    const int last = p.rank - 1;
    if (p.rank && (p.a_stride[last] != 0) == a_moves && (p.b_stride[last] != 0) == b_moves) {
      p.extent[last] *= extent;
    } else {
      p.extent[p.rank] = extent;
      p.a_stride[p.rank] = a_moves;
      p.b_stride[p.rank] = b_moves;
      ++p.rank;
    }
  }
  if (p.rank == 0) {
    p.rank = 1;
    p.extent[0] = p.a_stride[0] = p.b_stride[0] = 1;
  }
  int64_t a_step = 1, b_step = 1;
  for (int i = p.rank - 1; i >= 0; --i) {
    if (p.a_stride[i]) p.a_stride[i] = a_step, a_step *= p.extent[i];
    if (p.b_stride[i]) p.b_stride[i] = b_step, b_step *= p.extent[i];
  }
}

}  // namespace

const char* name_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::add:
      return "add";
    case BinaryOp::sub:
      return "sub";
    case BinaryOp::mul:
      return "mul";
    case BinaryOp::div:
      return "div";
  }
  return "?";
}

Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b) {
  IMAGO_CHECK(a.defined() && b.defined(), name_of(op), ": both operands must be defined");
  IMAGO_CHECK(a.dtype() == b.dtype(), name_of(op), ": b must be ", a.dtype(), ", got ", b.dtype());
  check_same_device(name_of(op), a, {{"b", b}});
  Tensor y(broadcast(op, a.shape(), b.shape()), a.dtype(), a.device());
  if (!y.numel()) return y;
  BinaryForward p{
      .a = a.raw(),
      .b = b.raw(),
      .y = y.raw(),
      .rank = 0,
      .extent = {},
      .a_stride = {},
      .b_stride = {},
      .op = op,
      .dtype = a.dtype(),
  };
  plan(a.shape(), b.shape(), p);
  backend_for(a.device()).binary_forward(p, current_stream(a.device()));
  return y;
}

}  // namespace imago::kernels
