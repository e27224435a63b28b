// A tour of tensors and autograd in five stops. Build it, run it, read it beside its output.
#include <fmt/core.h>

#include <cmath>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/no_grad.h"
#include "core/random.h"

using namespace imago;

namespace {

void print_row(const char* label, const Tensor& t) {
  fmt::print("  {:<26}", label);
  for (const double v : t.to_vector<double>()) fmt::print("{:8.3f}", v);
  fmt::print("\n");
}

void tensors() {
  fmt::print("\n1. A tensor is dense memory and a shape.\n");
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  print_row("x, two rows of three", x);
  // reshape and slice look at the same memory; nothing is copied.
  print_row("its second row", x.slice(1, 2));
  Tensor flat = x.reshape({-1});
  flat.data<float>()[0] = 100;
  print_row("x after flat[0] = 100", x);
  // Random numbers are a function of (seed, stream, step, element): ask again and get the same
  // ones.
  print_row("four normals", randn({4}, {.seed = 7}));
  print_row("the same four", randn({4}, {.seed = 7}));
}

void gradients() {
  fmt::print("\n2. A Variable remembers how it was made, so gradients can flow back.\n");
  const Variable x(Tensor::from<float>({-1, 0, 2}, {3}), true);
  const Variable y = sum(x * x * x);  // y = sum of x^3, so dy/dx = 3 x^2
  y.backward();
  print_row("x", x.value());
  print_row("dy/dx = 3 x^2", x.grad());
  {
    const NoGrad no_grad;  // inside, nothing is remembered: for sampling and measuring
    fmt::print("  under NoGrad, x * x {} a history\n", (x * x).requires_grad() ? "has" : "has no");
  }
}

void checking() {
  fmt::print(
      "\n3. Trust, but check: every gradient in imago is compared with finite differences.\n");
  const auto f = [](const std::vector<Variable>& v) {
    return gelu(v[0]) * tanh(v[1]) + v[0] / exp(v[1]);
  };
  const Tensor a = randn({5}, {.seed = 1}, DType::f64), b = randn({5}, {.seed = 2}, DType::f64);
  fmt::print("  gelu(a) tanh(b) + a / exp(b): the largest relative error is {:.1e}\n",
             gradient_error(f, {a, b}));
}

void fitting() {
  fmt::print("\n4. Gradient descent fits a small network to one period of a sine.\n");
  const int64_t points = 64, hidden = 16;
  Tensor x({points, 1}), target({points, 1});
  for (int64_t i = 0; i < points; ++i) {
    x.data<float>()[i] = -1 + 2 * static_cast<float>(i) / (points - 1);
    target.data<float>()[i] = std::sin(static_cast<float>(M_PI) * x.data<float>()[i]);
  }
  std::vector<Variable> parameters = {
      Variable(randn({hidden, 1}, {.seed = 3}), true), Variable(randn({hidden}, {.seed = 4}), true),
      Variable(randn({1, hidden}, {.seed = 5}), true), Variable(Tensor::zeros({1}), true)};
  for (int step = 0; step <= 2000; ++step) {
    const Variable h = tanh(linear(x, parameters[0], parameters[1]));  // (64, 16)
    const Variable loss = mse_loss(linear(h, parameters[2], parameters[3]), target);
    if (step % 500 == 0) fmt::print("  step {:4}   loss {:.6f}\n", step, loss.value().item());
    loss.backward();
    for (Variable& p : parameters) {
      p.set_value(
          (Variable(p.value()) - 0.1 * Variable(p.grad())).value());  // p <- p - 0.1 dloss/dp
      p.zero_grad();
    }
  }
}

void seeing() {
  fmt::print(
      "\n5. A convolution can learn a filter from what it does: here Sobel's, which finds "
      "edges.\n");
  const Tensor images = randn({8, 12, 12, 1}, {.seed = 6});  // (N, H, W, C)
  const Tensor sobel =
      Tensor::from<float>({-1, 0, 1, -2, 0, 2, -1, 0, 1}, {1, 3, 3, 1});  // (O, KH, KW, C)
  const Tensor edges = conv2d(images, sobel, {.padding = 1}).value();
  Variable filter(Tensor::zeros({1, 3, 3, 1}), true);
  for (int step = 0; step < 200; ++step) {
    mse_loss(conv2d(images, filter, {.padding = 1}), edges).backward();
    filter.set_value((Variable(filter.value()) - 0.2 * Variable(filter.grad())).value());
    filter.zero_grad();
  }
  for (int64_t row = 0; row < 3; ++row)
    print_row(row == 1 ? "the learnt filter" : "",
              filter.value().reshape({3, 3}).slice(row, row + 1));
}

}  // namespace

int main() {
  tensors();
  gradients();
  checking();
  fitting();
  seeing();
  fmt::print("\nNext: docs/autograd.md explains stop 2, and examples/mnist.cpp draws digits.\n");
}
