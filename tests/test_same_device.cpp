#include "kernels/same_device.h"

#include "core/device_memory.h"
#include "kernels/add_noise.h"
#include "kernels/attention.h"
#include "kernels/axpy.h"
#include "kernels/binary.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/denoise_step.h"
#include "kernels/embedding.h"
#include "kernels/group_norm.h"
#include "kernels/layer_norm.h"
#include "kernels/loss.h"
#include "kernels/matmul.h"
#include "kernels/noisy_images.h"
#include "kernels/pool2d.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("the operands of an op have to be on one device", "[same_device][errors]") {
  if (!has_device(Device::simt)) {
    WARN("this build has no second device");
    return;
  }
  const DeviceScope on_simt(Device::simt);
  const auto cpu = [](const Tensor& t) { return t.to(Device::cpu); };
  Tensor x = randn({2, 4, 4, 3}, DType::f32);
  const Tensor t = Tensor::zeros({2}, DType::i64), table = Tensor::full({1}, 0.5);
  CHECK_THROWS_WITH(kernels::add_noise(x, cpu(x), t, table, table), "add_noise: noise must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::add_noise(x, x, cpu(t), table, table), "add_noise: t must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::add_noise(cpu(x), cpu(x), cpu(t), cpu(table), table),
                    "add_noise: sigma must be on cpu, got simt");
  CHECK_THROWS_WITH(kernels::denoise_step(x, cpu(x), {}), "denoise_step: model must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::pick_images({.images = cpu(x.to(DType::u8)), .rows = t}, true),
                    "pick_images: rows must be on cpu, got simt");
  CHECK_THROWS_WITH(kernels::noisy_images({.images = x.to(DType::u8), .rows = t}, RandomKey{}, cpu(t), table, table),
                    "noisy_images: t must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::axpy(1, cpu(x), x), "axpy: x must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::binary(BinaryOp::add, x, cpu(x)), "add: b must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::concat({x, cpu(x)}), "concat: part must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::max_pool2d_backward(x, cpu(x).to(DType::u8), {2, 4, 4, 3}, 1, 1),
                    "max_pool2d_backward: index must be on simt, got cpu");
  const Tensor weight = randn({5, 3, 3, 3}, DType::f32), c = randn({3}, DType::f32);
  const Tensor rows = randn({2, 4, 3}, DType::f32);
  CHECK_THROWS_WITH(kernels::conv2d(x, cpu(weight), {}), "conv2d: weight must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::conv2d(x, weight, {}, {.bias = cpu(randn({5}, DType::f32))}),
                    "conv2d: bias must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::group_norm(x, c, cpu(c), {.groups = 1}), "group_norm: bias must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::layer_norm(x, cpu(c), c, 1e-5), "layer_norm: weight must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::matmul(rows, cpu(randn({3, 2}, DType::f32))), "matmul: b must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::attention(rows, rows, cpu(rows), 1), "attention: v must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::embedding(cpu(t), rows.slice(0, 1).reshape({4, 3})),
                    "embedding: ids must be on simt, got cpu");
  CHECK_THROWS_WITH(kernels::loss(kernels::LossKind::mse, x, cpu(x), {}), "mse_loss: target must be on simt, got cpu");
}
