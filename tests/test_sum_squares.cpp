#include "core/parallel.h"
#include "kernels/sum_squares.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::sum_squares;

TEST_CASE("sum_squares of any length", "[sum_squares]") {
  for (const int64_t n : {0, 1, 15, 16, 17, 33, 16384, 16385, 100003})
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor x = randn({n}, dtype);
      long double expected = 0;
      for (const double v : x.to_vector<double>()) expected += static_cast<long double>(v) * v;
      CAPTURE(n, dtype);
      CHECK(sum_squares(x).item() == Approx(static_cast<double>(expected)).epsilon(1e-14));
    }
}

TEST_CASE("sum_squares of a device's types agrees with the CPU", "[sum_squares][agreement]") {
  for (const DType dtype : device_types())
    for (const int64_t n : {1, 8, 33, 16384, 100003}) {
      CAPTURE(dtype, n);
      const Tensor x = randn({n}).to(dtype);
      CHECK(sum_squares(x).item() == Approx(sum_squares(x.to(Device::cpu).to(DType::f64)).item()).epsilon(1e-13));
    }
}

TEST_CASE("sum_squares loses no small values beside large ones", "[sum_squares]") {
  Tensor x = Tensor::full({1 << 20}, 1e-3);
  x.data<float>()[0] = 1e4f;
  CHECK(sum_squares(x).item() == Approx(1e8 + ((1 << 20) - 1) * 1e-6).epsilon(1e-12));
}

TEST_CASE("sum_squares does not depend on the number of threads", "[sum_squares]") {
  const Tensor x = randn({300007}, DType::f64);
  const int before = thread_count();
  set_thread_count(1);
  const double alone = sum_squares(x).item();
  set_thread_count(3);
  CHECK(sum_squares(x).item() == alone);
  set_thread_count(before);
}

TEST_CASE("sum_squares names the bad argument", "[sum_squares][errors]") {
  CHECK_THROWS_WITH(sum_squares(Tensor()), "sum_squares: x is undefined");
  CHECK_THROWS_WITH(sum_squares(Tensor::zeros({2}, DType::i32)), Contains("i32"));
}
