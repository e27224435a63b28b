#include "kernels/permute.h"

#include <bitset>

#include "kernels/backend.h"

namespace imago::kernels {
namespace {

std::string text(std::span<const int> order) {
  std::string out = "(";
  for (size_t i = 0; i < order.size(); ++i) out += (i ? ", " : "") + std::to_string(order[i]);
  return out + ")";
}

void check_order(const Tensor& x, std::span<const int> order) {
  std::bitset<kMaxRank> named;
  bool good = static_cast<int>(order.size()) == x.rank();
  for (size_t i = 0; good && i < order.size(); ++i) {
    good = -x.rank() <= order[i] && order[i] < x.rank();
    if (good) named[static_cast<size_t>(x.shape().axis(order[i]))] = true;
  }
  IMAGO_CHECK(good && static_cast<int>(named.count()) == x.rank(), "permute: order must name each axis of ", x.shape(),
              " once, got ", text(order));
}

// Fills in rank (0 so far), extents and strides.
void plan(const Shape& x, std::span<const int> order, Permute& p) {
  std::array<int64_t, kMaxRank> stride{};
  int64_t below = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    stride[static_cast<size_t>(i)] = below;
    below *= x[i];
  }
  for (const int i : order) {
    const int64_t extent = x[i], step = stride[static_cast<size_t>(x.axis(i))];
    if (extent == 1) continue;
    if (p.rank && p.x_stride[p.rank - 1] == extent * step) {
      p.extent[p.rank - 1] *= extent;
      p.x_stride[p.rank - 1] = step;
    } else {
      p.extent[p.rank] = extent;
      p.x_stride[p.rank++] = step;
    }
  }
  if (p.rank == 0) p.rank = 1, p.extent[0] = p.x_stride[0] = 1;
}

}  // namespace

Tensor permute(const Tensor& x, std::span<const int> order) {
  check_order(x, order);
  std::array<int64_t, kMaxRank> dims{};
  for (size_t i = 0; i < order.size(); ++i) dims[i] = x.dim(order[i]);
  Tensor y(Shape(std::span(dims.data(), order.size())), x.dtype(), x.device());
  if (!y.numel()) return y;
  Permute p{.x = x.raw(), .y = y.raw(), .rank = 0, .extent = {}, .x_stride = {}, .dtype = x.dtype()};
  plan(x.shape(), order, p);
  backend_for(x.device()).permute(p, current_stream(x.device()));
  return y;
}

std::vector<int> inverse_order(std::span<const int> order) {
  std::vector<int> inverse(order.size());
  const int rank = static_cast<int>(order.size());
  for (int i = 0; i < rank; ++i) {
    const int axis = order[static_cast<size_t>(i)];
    inverse[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = i;
  }
  return inverse;
}

}  // namespace imago::kernels
