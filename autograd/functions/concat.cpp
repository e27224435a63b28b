#include "kernels/concat.h"

#include "autograd/functions.h"

namespace imago {

Variable concat(const std::vector<Variable>& parts) {
  std::vector<Tensor> values;
  std::vector<int64_t> sizes;
  for (const Variable& part : parts) values.push_back(part.value());
  const Tensor y = kernels::concat(values);
  for (const Variable& part : parts) sizes.push_back(part.dim(-1));
  auto backward = [sizes](const Tensor& dy, Needs need) -> Grads {
    Grads grads(sizes.size());
    int64_t begin = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (need[i]) grads[i] = kernels::slice_channels(dy, begin, begin + sizes[i]);
      begin += sizes[i];
    }
    return grads;
  };
  return record("concat", y, parts, backward);
}

std::vector<Variable> split(const Variable& x, std::span<const int64_t> sizes) {
  int64_t total = 0;
  for (const int64_t size : sizes) {
    IMAGO_CHECK(size >= 0, "split: sizes must not be negative, got ", size);
    total += size;
  }
  IMAGO_CHECK(x.rank() > 0 && total == x.dim(-1), "split: sizes must add up to the last extent of ",
              x.shape(), ", got ", total);
  std::vector<Variable> parts;
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    parts.push_back(slice_channels(x, begin, begin + size));
    begin += size;
  }
  return parts;
}

Variable slice_channels(const Variable& x, int64_t begin, int64_t end) {
  const Tensor y = kernels::slice_channels(x.value(), begin, end);
  return record("slice_channels", y, {x},
                [channels = x.dim(-1), begin](const Tensor& dy, Needs) -> Grads {
                  return {kernels::slice_channels_backward(dy, channels, begin)};
                });
}

}  // namespace imago
