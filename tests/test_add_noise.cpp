#include "kernels/add_noise.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::Noise;

namespace {

const Shape kShapes[] = {{1, 1},    {2, 3, 5, 1}, {3, 31, 33, 3}, {4, 2048},
                         {2, 2049}, {1, 5000},    {0, 4, 4, 3}};

// Three time steps' worth of tables.
Tensor alphas() { return Tensor::from<float>({0.9f, 0.5f, 0.0f}, {3}); }
Tensor sigmas() { return Tensor::from<float>({0.1f, 0.25f, 1.0f}, {3}); }

Tensor steps(int64_t N, DType dtype) {
  Tensor t({N}, DType::i64);
  fill_integers(t, {.seed = 7}, 3);
  return t.to(dtype);
}

// a[t[n]] x[n] + b[t[n]] z[n], in double.
Tensor mix(const Tensor& x, const Tensor& z, const Tensor& t, const Tensor& a, const Tensor& b) {
  Tensor y = x.to(DType::f64).clone();
  const Tensor z64 = z.to(DType::f64);
  const std::vector<int64_t> index = t.to_vector<int64_t>();
  const int64_t E = x.dim(0) ? x.numel() / x.dim(0) : 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t step = index[static_cast<size_t>(i / E)];
    double& v = y.data<double>()[i];
    v = double{a.data<float>()[step]} * v + double{b.data<float>()[step]} * z64.data<double>()[i];
  }
  return y;
}

Tensor negated(const Tensor& t) {
  Tensor y = t.clone();
  for (float& v : y.span<float>()) v = -v;
  return y;
}

}  // namespace

TEST_CASE("add_noise mixes image and noise by time step", "[add_noise]") {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, dtype);
      const Tensor x0 = randn(shape, dtype, 1), z = randn(shape, dtype, 2),
                   t = steps(shape[0], DType::i32);
      const Tensor x_t = mix(x0, z, t, alphas(), sigmas()), v = mix(x0, z, t, negated(sigmas()), alphas());
      CHECK(difference(kernels::add_noise(x0, z, t, alphas(), sigmas()), x_t) < tolerance(dtype));
      CHECK(difference(kernels::velocity(x0, z, t, alphas(), sigmas()), v) < tolerance(dtype));
    }
}

TEST_CASE("add_noise draws the noise that fill_normal draws", "[add_noise]") {
  const RandomKey key{.seed = 3, .stream = 5, .step = 8};
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::f64})
      for (const uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{4099}}) {
        CAPTURE(shape, dtype, first);
        const Tensor x0 = randn(shape, dtype), t = steps(shape[0], DType::i64);
        Tensor z = Tensor::empty_like(x0);
        fill_normal(z, key, 1, first);
        for (const PredictionType prediction :
             {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction}) {
          const auto given = kernels::noisy_batch(x0, z, t, alphas(), sigmas(), prediction);
          const auto drawn =
              kernels::noisy_batch(x0, Noise(key, first), t, alphas(), sigmas(), prediction);
          CHECK(difference(drawn.x_t, given.x_t) == 0);
          CHECK(difference(drawn.target, given.target) == 0);
        }
      }
}

TEST_CASE("add_noise agrees with double in every type, whatever the alignment", "[add_noise][agreement]") {
  const RandomKey key{.seed = 3};
  for (const Shape& shape : kShapes)
    for (const DType dtype : device_types())
      for (const uint64_t first : {uint64_t{0}, uint64_t{2}, uint64_t{4100}}) {
        CAPTURE(shape, dtype, first);
        const Tensor x0 = randn(shape, dtype, 1), t = steps(shape[0], DType::i64);
        Tensor z(shape, DType::f64);
        fill_normal(z, key, 1, first);
        const Tensor expected = mix(x0, z, t, alphas(), sigmas());
        const Noise noise(key, first);
        CHECK(difference(kernels::add_noise(x0, noise, t, alphas(), sigmas()), expected) < tolerance(dtype));
        CHECK(difference(kernels::add_noise(shifted(x0), noise, t, alphas(), sigmas()), expected) < tolerance(dtype));
        const auto epsilon = kernels::noisy_batch(x0, noise, t, alphas(), sigmas(), PredictionType::epsilon);
        CHECK(difference(epsilon.target, z.to(DType::f32).to(dtype)) == 0);
      }
}

TEST_CASE("noisy_batch has the target of each prediction type", "[add_noise]") {
  const Tensor x0 = randn({3, 4, 4, 2}, DType::f32, 1), z = randn({3, 4, 4, 2}, DType::f32, 2),
               t = steps(3, DType::i64);
  const auto target = [&](PredictionType p) {
    return kernels::noisy_batch(x0, z, t, alphas(), sigmas(), p).target;
  };
  CHECK(difference(target(PredictionType::epsilon), z) == 0);
  CHECK(difference(target(PredictionType::sample), x0) == 0);
  CHECK(difference(target(PredictionType::v_prediction),
                   kernels::velocity(x0, z, t, alphas(), sigmas())) == 0);
  const Tensor ones = Tensor::full({3}, 1);
  CHECK(difference(target(PredictionType::flow_prediction), kernels::velocity(x0, z, t, ones, ones)) == 0);
}

TEST_CASE("a batch that is noised in parts equals the batch", "[add_noise]") {
  const Tensor x0 = randn({5, 3, 3, 3}, DType::f32), t = steps(5, DType::i64);
  const RandomKey key{.seed = 4};
  const Tensor whole = kernels::add_noise(x0, Noise(key), t, alphas(), sigmas());
  const Tensor tail =
      kernels::add_noise(x0.slice(2, 5), Noise(key, 2 * 27), t.slice(2, 5), alphas(), sigmas());
  CHECK(difference(tail, whole.slice(2, 5)) == 0);
}

TEST_CASE("add_noise names the bad argument", "[add_noise][errors]") {
  const Tensor x0 = randn({2, 3}), z = randn({2, 3}, DType::f64, 1),
               t = Tensor::from<int64_t>({0, 2}, {2});
  const auto add = [&](const Noise& noise, const Tensor& t, const Tensor& sigma = sigmas()) {
    return kernels::add_noise(x0, noise, t, alphas(), sigma);
  };
  CHECK_THROWS_WITH(add(Noise(), t), "add_noise: noise must be a tensor or a key");
  CHECK_THROWS_WITH(add(z.to(DType::f32), t),
                    "add_noise: noise must be (2, 3) f64, got (2, 3) f32");
  CHECK_THROWS_WITH(add(z, t.to(DType::f32)),
                    "add_noise: t must be (2) of i32 or i64, got (2) f32");
  CHECK_THROWS_WITH(add(z, t.slice(0, 1)), "add_noise: t must be (2) of i32 or i64, got (1) i64");
  CHECK_THROWS_WITH(add(z, Tensor::from<int64_t>({0, 3}, {2})),
                    "add_noise: t must be in [0, 3), got 3");
  CHECK_THROWS_WITH(add(z, Tensor::from<int64_t>({-1, 0}, {2})),
                    "add_noise: t must be in [0, 3), got -1");
  CHECK_THROWS_WITH(add(z, t, sigmas().slice(0, 2)), "add_noise: sigma must be (3) f32, got (2) f32");
}
