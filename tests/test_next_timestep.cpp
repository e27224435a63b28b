#include "kernels/next_timestep.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;

TEST_CASE("next_timestep counts and tells each image its time step", "[next_timestep]") {
  for (const int64_t N : {0, 1, 5, 300}) {
    const Tensor integers = Tensor::from<int64_t>({900, 500, 3}, {3}), floats = Tensor::from<float>({0.5f, 0.25f}, {2});
    Tensor step = Tensor::zeros({1}, DType::i32);
    for (const double expected : {900.0, 500.0, 3.0, 3.0}) {
      const Tensor t = kernels::next_timestep(integers, step, N);
      CHECK(t.dtype() == DType::i64);
      CHECK(t.to_vector<double>() == std::vector<double>(static_cast<size_t>(N), expected));
    }
    CHECK(step.item() == 4);
    step.fill(0);
    for (const double expected : {0.5, 0.25}) {
      const Tensor t = kernels::next_timestep(floats, step, N);
      CHECK(t.dtype() == DType::f32);
      CHECK(t.to_vector<double>() == std::vector<double>(static_cast<size_t>(N), expected));
    }
    CHECK(step.item() == 2);
  }
}

TEST_CASE("next_timestep names the bad argument", "[next_timestep][errors]") {
  Tensor step = Tensor::zeros({1}, DType::i32), wide = Tensor::zeros({1}, DType::i64);
  CHECK_THROWS_WITH(kernels::next_timestep(Tensor::zeros({0}), step, 2),
                    "next_timestep: timesteps must be (S) of i64 or f32, got (0) f32");
  CHECK_THROWS_WITH(kernels::next_timestep(Tensor::zeros({4}, DType::f64), step, 2),
                    "next_timestep: timesteps must be (S) of i64 or f32, got (4) f64");
  CHECK_THROWS_WITH(kernels::next_timestep(Tensor::zeros({4}), wide, 2),
                    "next_timestep: step must be one i32, got (1) i64");
}
