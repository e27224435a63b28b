// The gradient of sum(x * x) is 2 x.
#include <iostream>

#include "autograd/functions.h"

int main() {
  const imago::Variable x(imago::Tensor::from({1.f, 2.f, 3.f}, {3}), true);
  imago::sum(x * x).backward();
  std::cout << "gradient:";
  for (const float g : x.grad().to_vector<float>()) std::cout << ' ' << g;
  std::cout << '\n';
}
