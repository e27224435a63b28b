#include "kernels/pick_images.h"

#include <algorithm>

#include "kernels/backend.h"

namespace imago::kernels {

Shape PickedImages::shape() const {
  const int64_t H = images.dim(1), W = images.dim(2);
  return {rows.dim(0), pad_to ? pad_to : H, pad_to ? pad_to : W, images.dim(3)};
}

PickedImages PickedImages::slice(int64_t begin, int64_t end) const {
  PickedImages part = *this;
  part.rows = rows.slice(begin, end);
  if (gathered) part.images = images.slice(begin, end);
  return part;
}

void PickedImages::check(const char* op) const {
  IMAGO_CHECK(images.defined() && images.rank() == 4 && images.dtype() == DType::u8, op,
              ": images must be u8 (M, H, W, C), got ", images.dtype(), " ", images.shape());
  IMAGO_CHECK(rows.defined() && rows.rank() == 1 && rows.dtype() == DType::i64, op, ": rows must be i64 (N), got ",
              rows.dtype(), " ", rows.shape());
  check_same_device(op, images, {{"rows", rows}});
  const int64_t side = std::max(images.dim(1), images.dim(2));
  IMAGO_CHECK(pad_to == 0 || pad_to >= side, op, ": pad_to must be 0 or at least ", side, ", got ", pad_to);
  const Shape one = shape().without(0);
  IMAGO_CHECK(one.numel() < int64_t{1} << 31, op, ": an image must have fewer than 2^31 elements, got ", one[0], " x ",
              one[1], " x ", one[2]);
  IMAGO_CHECK(!gathered || images.dim(0) == rows.dim(0), op, ": there must be one image for each of the ", rows.dim(0),
              " rows, got ", images.dim(0));
  if (gathered || !rows.on_host()) return;  // looking at them would wait for the device
  for (const int64_t row : rows.span<int64_t>())
    IMAGO_CHECK(row >= 0 && row < images.dim(0), op, ": rows must be in [0, ", images.dim(0), "), got ", row);
}

PickedBytes bytes_of(const PickedImages& x0) {
  const Shape shape = x0.shape();
  return {.images = static_cast<const uint8_t*>(x0.images.raw()),
          .rows = static_cast<const int64_t*>(x0.rows.raw()),
          .N = shape[0],
          .H = x0.images.dim(1),
          .W = x0.images.dim(2),
          .C = shape[3],
          .out_H = shape[1],
          .out_W = shape[2],
          .flip = x0.flip,
          .gathered = x0.gathered,
          .flips = x0.flips};
}

Tensor pick_images(const PickedImages& x0, bool symmetric, DType dtype) {
  x0.check("pick_images");
  const Tensor y(x0.shape(), dtype, x0.images.device());
  const PickImages p{.bytes = bytes_of(x0), .y = y.raw(), .symmetric = symmetric, .dtype = dtype};
  if (y.numel()) backend_for(y.device()).pick_images(p, current_stream(y.device()));
  return y;
}

}  // namespace imago::kernels
