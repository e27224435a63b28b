#include "nn/basic_unet.h"

namespace imago::nn {

BasicUNet::BasicUNet(const Init& init, int64_t in_channels, int64_t out_channels) {
  const auto layer = [&](int64_t in, int64_t out) {
    return Conv2d(init, in, out, /*kernel=*/5, {.padding = 2});
  };
  down_layers_ = {layer(in_channels, 32), layer(32, 64), layer(64, 64)};
  up_layers_ = {layer(64, 64), layer(64, 32), layer(32, out_channels)};
}

Variable BasicUNet::forward(const Variable& x, const Tensor&, const Tensor&) const {
  IMAGO_CHECK(x.rank() == 4 && x.dim(1) % 4 == 0 && x.dim(2) % 4 == 0,
              "BasicUNet: x must be (N, H, W, C) with H and W multiples of 4, got ", x.shape());
  const Variable full = silu(down_layers_[0](x));
  const Variable half = silu(down_layers_[1](max_pool2d(full, 2, 2)));
  Variable h = silu(down_layers_[2](max_pool2d(half, 2, 2)));
  h = silu(up_layers_[0](h));
  h = silu(up_layers_[1](upsample_nearest(h) + half));
  return silu(up_layers_[2](upsample_nearest(h) + full));
}

void BasicUNet::visit(const ParameterVisitor& visitor) const {
  visitor("down_layers", down_layers_);
  visitor("up_layers", up_layers_);
}

}  // namespace imago::nn
