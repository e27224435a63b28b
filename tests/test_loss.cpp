#include "kernels/loss.h"

#include "core/parallel.h"
#include "kernels/scale.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::LossKind;

namespace {

const LossKind kKinds[] = {LossKind::mse, LossKind::l1, LossKind::huber};
const Shape kShapes[] = {{}, {1}, {31}, {3, 1}, {2, 3, 5, 7}, {7, 33}, {5, 61, 61, 3}};

Variable loss(LossKind kind, const Variable& x, const Tensor& target, const Tensor& weight, double delta) {
  switch (kind) {
    case LossKind::mse: return mse_loss(x, target, weight);
    case LossKind::l1: return l1_loss(x, target, weight);
    case LossKind::huber: return huber_loss(x, target, delta, weight);
  }
  return {};
}

double value(LossKind kind, double d, double delta) {
  const double a = std::abs(d);
  switch (kind) {
    case LossKind::mse: return d * d;
    case LossKind::l1: return a;
    case LossKind::huber: return a <= delta ? 0.5 * d * d : delta * (a - 0.5 * delta);
  }
  return NAN;
}

Tensor weights(const Shape& shape) {
  Tensor w({shape.rank() ? shape[0] : 1}, DType::f64);
  fill_uniform(w, {.seed = 6}, 0.1, 2);
  return w;
}

}  // namespace

TEST_CASE("loss is the weighted mean of its definition", "[loss]") {
  for (const LossKind kind : kKinds)
    for (const Shape& shape : kShapes)
      for (const bool weighted : {false, true})
        for (const DType dtype : {DType::f32, DType::f64}) {
          CAPTURE(kernels::name_of(kind), shape, weighted, dtype);
          const Tensor x = randn(shape, dtype), t = randn(shape, dtype, 1), w = weights(shape).to(dtype);
          const std::vector<double> xs = x.to_vector<double>(), ts = t.to_vector<double>(), ws = w.to_vector<double>();
          double want = 0;
          for (size_t i = 0; i < xs.size(); ++i)
            want += (weighted ? ws[i / (xs.size() / ws.size())] : 1) * value(kind, xs[i] - ts[i], 0.7);
          const Tensor y = kernels::loss(kind, x, t, weighted ? w : Tensor(), 0.7);
          CHECK(y.shape() == Shape{});
          CHECK(y.item() == Approx(want / static_cast<double>(xs.size())).epsilon(dtype == DType::f64 ? 1e-12 : 1e-6));
        }
}

TEST_CASE("loss gradients match finite differences", "[loss][gradient]") {
  for (const LossKind kind : kKinds)
    for (const Shape& shape : kShapes)
      for (const bool weighted : {false, true}) {
        CAPTURE(kernels::name_of(kind), shape, weighted);
        const Tensor t = randn(shape, DType::f64, 1), w = weighted ? weights(shape) : Tensor();
        Tensor x = randn(shape);
        double* const xs = x.data<double>();
        const double* const ts = t.data<double>();
        for (int64_t i = 0; i < x.numel(); ++i)  // away from the corner of |d|
          if (std::abs(xs[i] - ts[i]) < 1e-3) xs[i] += 0.01;
        const auto f = [&](const std::vector<Variable>& v) { return loss(kind, v[0], t, w, 0.7); };
        CHECK(gradient_error(f, {x}) < kGradientTolerance);
      }
}

TEST_CASE("loss gradients in f32 agree with f64", "[loss][agreement]") {
  for (const LossKind kind : kKinds)
    for (const Shape& shape : kShapes) {
      CAPTURE(kernels::name_of(kind), shape);
      const Tensor x = randn(shape, DType::f32), t = randn(shape, DType::f32, 1), w = weights(shape).to(DType::f32);
      const Tensor one = Tensor::full({}, static_cast<double>(x.numel())), one64 = one.to(DType::f64);
      const Tensor wide = kernels::loss_backward(kind, one64, x.to(DType::f64), t.to(DType::f64),
                                                 w.to(DType::f64), 0.7);
      CHECK(difference(kernels::loss_backward(kind, one, x, t, w, 0.7), wide) < tolerance(DType::f32));
    }
}

TEST_CASE("loss and gradient in one pass are those of two", "[loss]") {
  for (const LossKind kind : kKinds)
    for (const Shape& shape : kShapes)
      for (const bool weighted : {false, true})
        for (const DType dtype : {DType::f32, DType::f64}) {
          CAPTURE(kernels::name_of(kind), shape, weighted, dtype);
          const Tensor x = randn(shape, dtype), t = randn(shape, dtype, 1);
          const Tensor w = weighted ? weights(shape).to(dtype) : Tensor();
          const auto [value, gradient] = kernels::loss_with_gradient(kind, x, t, w, 0.7);
          CHECK(difference(value, kernels::loss(kind, x, t, w, 0.7)) < 1e-7);
          const Tensor expected = kernels::loss_backward(kind, Tensor::full({}, 1, dtype), x, t, w, 0.7);
          const double count = static_cast<double>(x.numel());  // makes the gradients numbers about 1
          CHECK(difference(kernels::scale(gradient, count), kernels::scale(expected, count)) < 1e-6);
        }
  const auto empty = kernels::loss_with_gradient(LossKind::mse, Tensor({0, 4}), Tensor({0, 4}), Tensor({0}));
  CHECK(std::isnan(empty.loss.item()));
  CHECK(empty.dprediction.shape() == Shape{0, 4});
  CHECK_THROWS_WITH(kernels::loss_with_gradient(LossKind::mse, randn({3, 4}), randn({4, 3})),
                    "mse_loss: target must be (3, 4) f64, got (4, 3) f64");
}

TEST_CASE("loss of a device's types agrees with the CPU", "[loss][agreement]") {
  for (const DType dtype : device_types())
    for (const Shape& shape : {Shape{8}, Shape{5, 3, 3, 7}, Shape{3, 16, 16, 8}, Shape{40001}})
      for (const LossKind kind : kKinds)
        for (const bool weighted : {false, true}) {
          CAPTURE(kernels::name_of(kind), shape, weighted, dtype);
          const Tensor x = randn(shape).to(dtype), t = randn(shape, DType::f64, 1).to(dtype);
          const Tensor w = weighted ? weights(shape).to(dtype) : Tensor();
          const auto wide = [](const Tensor& v) { return v.defined() ? v.to(Device::cpu).to(DType::f64) : v; };
          const auto [value, gradient] = kernels::loss_with_gradient(kind, x, t, w, 0.7);
          const auto expected = kernels::loss_with_gradient(kind, wide(x), wide(t), wide(w), 0.7);
          CHECK(difference(value, expected.loss) < tolerance(dtype));
          const double count = static_cast<double>(x.numel());
          CHECK(difference(kernels::scale(wide(gradient), count), kernels::scale(expected.dprediction, count)) <
                tolerance(dtype));
          CHECK(difference(kernels::loss(kind, x, t, w, 0.7), expected.loss) < tolerance(dtype));
        }
}

TEST_CASE("loss has PyTorch's corners", "[loss]") {
  const Variable x(Tensor::from<double>({1, 3, 2, -4}, {4}), true);
  const Tensor t = Tensor::from<double>({1, 1, 2.5, 0}, {4});
  l1_loss(x, t).backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 0.25, -0.25, -0.25});
  x.node()->grad = {};
  const Variable y = huber_loss(x, t, 2);
  y.backward();
  CHECK(y.value().item() == (0 + 2 + 0.125 + 6) / 4);
  CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 0.5, -0.125, -0.5});
}

TEST_CASE("loss gives the same bits with any number of threads", "[loss]") {
  const Tensor x = randn({19, 61, 61, 3}, DType::f32), t = randn(x.shape(), DType::f32, 1);
  const int before = thread_count();
  set_thread_count(1);
  const double one = kernels::loss(LossKind::mse, x, t).item();
  set_thread_count(5);
  CHECK(kernels::loss(LossKind::mse, x, t).item() == one);
  set_thread_count(before);
}

TEST_CASE("loss of an empty batch is not a number and has an empty gradient", "[loss]") {
  const Variable x(Tensor({0, 4}), true);
  const Variable y = mse_loss(x, Tensor({0, 4}), Tensor({0}));
  CHECK(std::isnan(y.value().item()));
  y.backward();
  CHECK(x.grad().shape() == Shape{0, 4});
}

TEST_CASE("loss names the bad argument", "[loss][errors]") {
  const Tensor x = randn({3, 4});
  CHECK_THROWS_WITH(kernels::loss(LossKind::mse, x, randn({4, 3})),
                    "mse_loss: target must be (3, 4) f64, got (4, 3) f64");
  CHECK_THROWS_WITH(kernels::loss(LossKind::l1, x, x, randn({4})), "l1_loss: weight must be (3) f64, got (4) f64");
  CHECK_THROWS_WITH(kernels::loss(LossKind::huber, x, x, {}, 0), "huber_loss: delta must be positive, got 0");
  CHECK_THROWS_WITH(kernels::loss(LossKind::mse, x, {}), "mse_loss: prediction and target must be defined");
}
