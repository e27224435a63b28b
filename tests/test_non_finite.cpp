#include "kernels/non_finite.h"

#include <limits>

#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::count_non_finite;

TEST_CASE("count_non_finite counts infinities and NaN, and nothing else", "[non_finite]") {
  std::vector<DType> types = device_types();
  types.push_back(DType::f64);
  for (const DType dtype : types)
    for (const int64_t n : {0, 1, 7, 8, 33, 16385, 100003}) {
      CAPTURE(dtype, n);
      std::vector<double> values = randn({n}).to_vector<double>();
      const double largest = dtype == DType::f64 ? std::numeric_limits<double>::max() : 3e38;
      if (n > 6) values[0] = largest, values[1] = -largest, values[2] = 5e-324, values[3] = -0.0;
      const auto count = [&] { return count_non_finite(Tensor::from<double>(values, {n}).to(dtype)).item(); };
      CHECK(count() == 0);
      int64_t planted = 0;
      for (const int64_t at : {n - 1, n / 2, n / 3})
        if (at >= 0 && at < n && std::isfinite(values[static_cast<size_t>(at)])) {
          values[static_cast<size_t>(at)] = planted == 0 ? NAN : planted == 1 ? INFINITY : -INFINITY;
          CHECK(count() == static_cast<double>(++planted));
        }
    }
}

TEST_CASE("count_non_finite of a view that is not aligned", "[non_finite]") {
  for (const DType dtype : device_types()) {
    Tensor x = randn({1000});
    x.data<double>()[999] = INFINITY;
    CHECK(count_non_finite(shifted(x.to(dtype))).item() == 1);
  }
}

TEST_CASE("count_non_finite names the bad argument", "[non_finite][errors]") {
  CHECK_THROWS_WITH(count_non_finite(Tensor()), "count_non_finite: x is undefined");
  CHECK_THROWS_WITH(count_non_finite(Tensor::zeros({2}, DType::i32)), Contains("i32"));
}
