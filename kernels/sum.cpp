#include "kernels/sum.h"

#include <bitset>
#include <numeric>

#include "kernels/backend.h"

namespace imago::kernels {
namespace {

using AxisSet = std::bitset<kMaxRank>;

AxisSet axis_set(const Shape& shape, std::span<const int> axes) {
  AxisSet set;
  for (const int i : axes) {
    const size_t axis = static_cast<size_t>(shape.axis(i));
    IMAGO_CHECK(!set[axis], "sum: axis ", axis, " is named twice");
    set[axis] = true;
  }
  return set;
}

Shape reduced_shape(const Shape& shape, const AxisSet& summed, bool keep_dims) {
  Shape out = shape;
  for (int i = shape.rank() - 1; i >= 0; --i)
    if (summed[static_cast<size_t>(i)]) out = keep_dims ? out.with(i, 1) : out.without(i);
  return out;
}

// A run of neighbouring axes that are summed: the tensor is (A, R, C) around it.
struct Run {
  int64_t A, R, C;
};

// The runs in the order in which they are summed, the last axes first; A and C are what is left when its turn comes.
std::vector<Run> runs_of(const Shape& shape, const AxisSet& summed) {
  std::vector<Run> runs;
  int64_t A = shape.numel(), C = 1;
  if (!A) {  // A cannot be got by division: nothing to sum, at most zeros to write
    return {{1, 0, reduced_shape(shape, summed, false).numel()}};
  }
  bool inside = false;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    const int64_t extent = shape[i];
    if (extent == 1) continue;
    A /= extent;
    const bool sums = summed[static_cast<size_t>(i)];
    if (!sums) C *= extent;
    else if (inside) runs.back() = {A, runs.back().R * extent, C};
    else runs.push_back({A, extent, C});
    inside = sums;
  }
  return runs;
}

}  // namespace

std::vector<int> all_axes(const Shape& shape) {
  std::vector<int> axes(static_cast<size_t>(shape.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

double mean_factor(const Shape& shape, std::span<const int> axes) {
  int64_t count = 1;
  for (const int i : axes) count *= shape[i];
  return 1.0 / static_cast<double>(count);
}

Tensor sum(const Tensor& x, std::span<const int> axes, bool keep_dims, double factor) {
  IMAGO_CHECK(x.defined(), "sum: x must be defined");
  const AxisSet summed = axis_set(x.shape(), axes);
  const Shape shape = reduced_shape(x.shape(), summed, keep_dims);
  std::vector<Run> runs = runs_of(x.shape(), summed);
  if (runs.empty()) runs.push_back({x.numel(), 1, 1});
  Tensor y = x;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto [A, R, C] = runs[i];
    Tensor next({A, C}, x.dtype(), x.device());
    const SumForward p{
        .x = y.raw(), .y = next.raw(), .A = A, .R = R, .C = C,
        .factor = i + 1 == runs.size() ? factor : 1, .dtype = x.dtype(),
    };
    if (next.numel()) backend_for(x.device()).sum_forward(p, current_stream(x.device()));
    y = next;
  }
  return y.reshape(shape);
}

Tensor sum(const Tensor& x, double factor) { return sum(x, all_axes(x.shape()), false, factor); }

Tensor sum_backward(const Tensor& dy, const Shape& shape, std::span<const int> axes, double factor) {
  const AxisSet summed = axis_set(shape, axes);
  IMAGO_CHECK(dy.shape() == reduced_shape(shape, summed, false) || dy.shape() == reduced_shape(shape, summed, true),
              "sum_backward: dy must be ", reduced_shape(shape, summed, false), ", got ", dy.shape());
  std::vector<Run> runs = runs_of(shape, summed);
  if (runs.empty()) runs.push_back({dy.numel(), 1, 1});
  Tensor dx = dy;
  for (size_t i = runs.size(); i-- > 0;) {
    const auto [A, R, C] = runs[i];
    Tensor next({A, R, C}, dy.dtype(), dy.device());
    const SumBackward p{
        .dy = dx.raw(), .dx = next.raw(), .A = A, .R = R, .C = C,
        .factor = i + 1 == runs.size() ? factor : 1, .dtype = dy.dtype(),
    };
    if (next.numel()) backend_for(dy.device()).sum_backward(p, current_stream(dy.device()));
    dx = next;
  }
  return dx.reshape(shape);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  std::vector<int> axes;
  for (int i = 0, missing = x.rank() - shape.rank(); i < x.rank(); ++i)
    if (i < missing || (shape[i - missing] == 1 && x.dim(i) != 1)) axes.push_back(i);
  return sum(x, axes).reshape(shape);
}

}  // namespace imago::kernels
