#include "kernels/concat.h"

#include "kernels/backend.h"
#include "kernels/same_device.h"

namespace imago::kernels {
namespace {

int64_t rows_of(const Tensor& x) { return x.shape().without(-1).numel(); }

// Both tensors have the same rows.
void copy_channels(const Tensor& x, int64_t x_begin, const Tensor& y, int64_t y_begin,
                   int64_t width) {
  const CopyChannels p{
      .x = x.raw(),
      .y = y.raw(),
      .rows = rows_of(x),
      .width = width,
      .x_channels = x.dim(-1),
      .x_begin = x_begin,
      .y_channels = y.dim(-1),
      .y_begin = y_begin,
      .dtype = x.dtype(),
  };
  if (p.rows && p.width) backend_for(x.device()).copy_channels(p, current_stream(x.device()));
}

}  // namespace

Tensor concat(const std::vector<Tensor>& parts) {
  IMAGO_CHECK(!parts.empty() && parts[0].rank() > 0,
              "concat: needs at least one part, of rank 1 or more");
  const Tensor& first = parts[0];
  int64_t channels = 0;
  for (const Tensor& part : parts) {
    IMAGO_CHECK(part.dtype() == first.dtype() && part.rank() == first.rank() &&
                    part.shape().without(-1) == first.shape().without(-1),
                "concat: part must be ", first.dtype(), " and ", first.shape(),
                " but for the last axis, got ", part.dtype(), " ", part.shape());
    check_same_device("concat", first, {{"part", part}});
    channels += part.dim(-1);
  }
  Tensor y(first.shape().with(-1, channels), first.dtype(), first.device());
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    copy_channels(part, 0, y, begin, part.dim(-1));
    begin += part.dim(-1);
  }
  return y;
}

Tensor slice_channels(const Tensor& x, int64_t begin, int64_t end) {
  IMAGO_CHECK(x.rank() > 0 && 0 <= begin && begin <= end && end <= x.dim(-1),
              "slice_channels: channels [", begin, ", ", end, ") are not in ", x.shape());
  Tensor y(x.shape().with(-1, end - begin), x.dtype(), x.device());
  copy_channels(x, begin, y, 0, end - begin);
  return y;
}

Tensor slice_channels_backward(const Tensor& dy, int64_t channels, int64_t begin) {
  const int64_t width = dy.dim(-1);
  IMAGO_CHECK(0 <= begin && begin + width <= channels, "slice_channels_backward: channels [", begin,
              ", ", begin + width, ") are not in ", channels);
  Tensor dx = Tensor::zeros(dy.shape().with(-1, channels), dy.dtype(), dy.device());
  copy_channels(dy, 0, dx, begin, width);
  return dx;
}

}  // namespace imago::kernels
