#include "kernels/denoise_step.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::DenoiseCoefficients;
using kernels::DenoiseResult;
using kernels::Noise;
using kernels::NoiseScale;

namespace {

const Shape kShapes[] = {{1, 1},       {2, 3, 5, 1},   {3, 31, 33, 3},
                         {2, 7, 4099}, {1, 40, 40, 4}, {0, 4, 4, 3}};

constexpr DenoiseCoefficients kPlain{.x0_x = 1.25,
                                     .x0_model = -0.75,
                                     .clip = 0.8,
                                     .x_x0 = 0.3,
                                     .x_x = 0.6,
                                     .x_model = 0.2,
                                     .sigma = 0.4};

// The contract's formulas, in double.
DenoiseResult reference(const Tensor& x_t, const Tensor& model, const Tensor& z,
                        const DenoiseCoefficients& c, const Tensor& limit = {}) {
  const Tensor x64 = x_t.to(DType::f64), m64 = model.to(DType::f64), z64 = z.to(DType::f64);
  DenoiseResult out{Tensor::empty_like(x64), Tensor::empty_like(x64)};
  const int64_t C = x_t.dim(-1), stride = model.dim(-1);
  for (int64_t i = 0; i < x_t.numel(); ++i) {
    const double x = x64.data<double>()[i], *m = m64.data<double>() + i / C * stride + i % C;
    double clip = c.clip, unit = 1;
    if (limit.defined()) clip = unit = limit.data<float>()[i / (x_t.numel() / x_t.dim(0))];
    const double x0 = std::clamp(c.x0_x * x + c.x0_model * *m, -clip, clip) / unit;
    double sigma = c.sigma;
    if (c.scale == NoiseScale::learned) sigma = std::sqrt(m[C]);
    if (c.scale == NoiseScale::learned_range)
      sigma = std::exp(0.5 * ((m[C] + 1) / 2 * c.log_large + (1 - m[C]) / 2 * c.log_small));
    out.x0.data<double>()[i] = x0;
    out.x.data<double>()[i] =
        c.x_x0 * x0 + c.x_x * x + c.x_model * *m + sigma * z64.data<double>()[i];
  }
  return out;
}

}  // namespace

TEST_CASE("denoise_step follows its formula", "[denoise_step]") {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape, dtype, 1), m = randn(shape, dtype, 2),
                   z = randn(shape, dtype, 3);
      const DenoiseResult y = kernels::denoise_step(x, m, kPlain, {.noise = z, .want_x0 = true});
      const DenoiseResult expected = reference(x, m, z, kPlain);
      CHECK(difference(y.x, expected.x) < tolerance(dtype));
      CHECK(difference(y.x0, expected.x0) < tolerance(dtype));
      const Tensor quiet = kernels::denoise_step(x, m, kPlain).x;
      CHECK(difference(quiet, reference(x, m, Tensor::zeros(shape, dtype), kPlain).x) <
            tolerance(dtype));
    }
}

TEST_CASE("denoise_step takes the variance from the model", "[denoise_step]") {
  for (const NoiseScale scale : {NoiseScale::learned, NoiseScale::learned_range})
    for (const Shape& shape : kShapes)
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(shape, dtype);
        DenoiseCoefficients c = kPlain;
        c.scale = scale, c.log_small = -9, c.log_large = -2;
        Tensor m(shape.with(-1, 2 * shape[-1]), dtype);
        fill_uniform(m, {.seed = 2});
        const Tensor x = randn(shape, dtype, 1), z = randn(shape, dtype, 3);
        const DenoiseResult y = kernels::denoise_step(x, m, c, {.noise = z});
        CHECK(difference(y.x, reference(x, m, z, c).x) < tolerance(dtype));
        CHECK_FALSE(y.x0.defined());
      }
}

TEST_CASE("denoise_step clamps each image to its own limit", "[denoise_step]") {
  const Tensor x = randn({3, 5, 5, 2}, DType::f32, 1), m = randn({3, 5, 5, 2}, DType::f32, 2);
  const Tensor limit = Tensor::from<float>({1, 1.5f, 2}, {3}), z = Tensor::zeros_like(x);
  const DenoiseResult y = kernels::denoise_step(x, m, kPlain, {.want_x0 = true, .limit = limit});
  const DenoiseResult expected = reference(x, m, z, kPlain, limit);
  CHECK(difference(y.x0, expected.x0) < tolerance(DType::f32));
  CHECK(difference(y.x, expected.x) < tolerance(DType::f32));
}

TEST_CASE("denoise_step draws the noise that fill_normal draws", "[denoise_step]") {
  const RandomKey key{.seed = 3, .stream = 5, .step = 8};
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape, dtype, 1), m = randn(shape, dtype, 2);
      Tensor z = Tensor::empty_like(x);
      fill_normal(z, key, 1, 77);
      const Tensor given = kernels::denoise_step(x, m, kPlain, {.noise = z}).x;
      CHECK(difference(kernels::denoise_step(x, m, kPlain, {.noise = Noise(key, 77)}).x, given) ==
            0);
    }
}

TEST_CASE("denoise_step agrees with double in every type, whatever the alignment", "[denoise_step][agreement]") {
  const RandomKey key{.seed = 3};
  for (const NoiseScale scale : {NoiseScale::fixed, NoiseScale::learned, NoiseScale::learned_range})
    for (const Shape& shape : {Shape{2, 3, 5, 1}, Shape{3, 6, 4, 4}, Shape{2, 9, 7, 3}})
      for (const DType dtype : device_types()) {
        CAPTURE(static_cast<int>(scale), shape, dtype);
        DenoiseCoefficients c = kPlain;
        c.scale = scale, c.log_small = -9, c.log_large = -2;
        Tensor m(scale == NoiseScale::fixed ? shape : shape.with(-1, 2 * shape[-1]), dtype), z(shape, DType::f64);
        fill_uniform(m, {.seed = 2});
        fill_normal(z, key, 1, 77);
        const Tensor x = randn(shape, dtype, 1);
        const DenoiseResult expected = reference(x, m, z, c);
        for (const Tensor& x_t : {x, shifted(x)}) {
          const DenoiseResult y = kernels::denoise_step(x_t, m, c, {.noise = Noise(key, 77), .want_x0 = true});
          CHECK(difference(y.x, expected.x) < tolerance(dtype));
          CHECK(difference(y.x0, expected.x0) < tolerance(dtype));
        }
      }
}

TEST_CASE("denoise_step remembers", "[denoise_step][agreement]") {
  DenoiseCoefficients c = kPlain;
  c.x_memory[0] = 0.5, c.x_memory[2] = -0.25;
  c.keep = 2, c.keep_x0 = 0.7, c.keep_x = -0.2, c.keep_model = 0.4, c.keep_memory[1] = 0.3, c.keep_memory[2] = 0.6;
  CHECK(kernels::memories_of(c) == 3);
  CHECK(kernels::memories_of(kPlain) == 0);
  std::vector<DType> types = device_types();
  types.push_back(DType::f64);
  for (const Shape& shape : kShapes)
    for (const DType dtype : types) {
      CAPTURE(shape, dtype);
      const Tensor x = randn(shape, dtype, 1), m = randn(shape, dtype, 2), z = randn(shape, dtype, 3);
      Tensor memory = randn(shape.inserted(0, 4), dtype, 4);
      const std::vector<double> before = memory.to_vector<double>();
      const DenoiseResult y = kernels::denoise_step(x, m, c, {.noise = z, .want_x0 = true, .memory = memory});
      const DenoiseResult plain = reference(x, m, z, c);
      const Tensor x64 = x.to(DType::f64), m64 = m.to(DType::f64);
      const size_t n = static_cast<size_t>(x.numel());
      Tensor expected = plain.x.clone(), after = Tensor::from<double>(before, memory.shape());
      for (size_t i = 0; i < n; ++i) {
        expected.data<double>()[i] += 0.5 * before[i] - 0.25 * before[2 * n + i];
        after.data<double>()[2 * n + i] = 0.7 * plain.x0.data<double>()[i] - 0.2 * x64.data<double>()[i] +
                                          0.4 * m64.data<double>()[i] + 0.3 * before[n + i] + 0.6 * before[2 * n + i];
      }
      CHECK(difference(y.x, expected) < tolerance(dtype));
      CHECK(difference(memory, after) < tolerance(dtype));
    }
}

TEST_CASE("denoise_step passes over what the model says about the variance if told so", "[denoise_step]") {
  const Tensor x = randn({2, 3, 5, 3}, DType::f32, 1), z = randn({2, 3, 5, 3}, DType::f32, 3),
               m = randn({2, 3, 5, 6}, DType::f32, 2);
  DenoiseCoefficients c = kPlain;
  c.scale = NoiseScale::ignored;
  CHECK(difference(kernels::denoise_step(x, m, c, {.noise = z}).x, reference(x, m, z, c).x) < tolerance(DType::f32));
}

TEST_CASE("denoise_step finds its coefficients in a plan on the device, and may write over x_t", "[denoise_step]") {
  const RandomKey key{.seed = 3};
  for (const NoiseScale scale :
       {NoiseScale::fixed, NoiseScale::learned, NoiseScale::learned_range, NoiseScale::ignored})
    for (const Shape& shape : {Shape{2, 3, 5, 1}, Shape{3, 6, 4, 4}})
      for (const DType dtype : device_types()) {
        std::vector<DenoiseCoefficients> steps(3, kPlain);
        for (size_t k = 0; k < 3; ++k) {
          DenoiseCoefficients& c = steps[k];
          c.scale = scale, c.log_small = -9, c.log_large = -2;
          c.x_x0 += 0.1 * static_cast<double>(k), c.x0_model -= 0.2 * static_cast<double>(k);
          c.draws_noise = k != 1;
        }
        if (scale == NoiseScale::learned_range) steps[2].scale = NoiseScale::ignored;  // as schedulers end
        steps[1].x_memory[0] = 0.5, steps[1].keep_memory[1] = 0.25, steps[1].keep_x = 0.5;
        steps[1].keep = 1, steps[2].keep = 0;
        steps[2].keep_x = 0.25, steps[2].keep_model = 2, steps[2].x_memory[1] = -1;
        kernels::DenoisePlan plan(steps);
        Tensor m(scale == NoiseScale::fixed ? shape : shape.with(-1, 2 * shape[-1]), dtype);
        fill_uniform(m, {.seed = 2});
        Tensor memory = randn(shape.inserted(0, 2), dtype, 5), expected_memory = memory.clone();
        for (size_t k = 0; k < 3; ++k) {
          CAPTURE(static_cast<int>(scale), shape, dtype, k);
          Tensor x = randn(shape, dtype, 1 + k);
          const DenoiseResult expected = kernels::denoise_step(
              x, m, steps[k], {.noise = Noise(key, 77), .want_x0 = true, .memory = expected_memory});
          plan.step.fill(static_cast<double>(k + 1));
          const DenoiseResult y = kernels::denoise_step(
              x, m, plan, {.noise = Noise(key, 77), .want_x0 = true, .memory = memory, .in_place = true});
          CHECK(y.x.shares_memory_with(x));
          CHECK(difference(x, expected.x) == 0);
          CHECK(difference(y.x0, expected.x0) == 0);
          CHECK(difference(memory, expected_memory) == 0);
        }
      }
}

TEST_CASE("denoise_step names the bad argument", "[denoise_step][errors]") {
  const Tensor x = randn({2, 4, 4, 3});
  CHECK_THROWS_WITH(kernels::denoise_step(randn({3}), randn({3}), kPlain),
                    "denoise_step: x_t must be (N, ..., C), got (3)");
  CHECK_THROWS_WITH(kernels::denoise_step(x, randn({2, 4, 4, 6}), kPlain),
                    "denoise_step: model must be (2, 4, 4, 3) f64, got (2, 4, 4, 6) f64");
  CHECK_THROWS_WITH(kernels::denoise_step(x, x, {.scale = NoiseScale::learned}),
                    "denoise_step: model must be (2, 4, 4, 6) f64, got (2, 4, 4, 3) f64");
  CHECK_THROWS_WITH(kernels::denoise_step(x, x, kPlain, {.noise = randn({2})}),
                    "denoise_step: noise must be (2, 4, 4, 3) f64, got (2) f64");
  CHECK_THROWS_WITH(kernels::denoise_step(x, x, kPlain, {.limit = randn({2})}),
                    "denoise_step: limit must be (2) f32, got (2) f64");
  DenoiseCoefficients c = kPlain;
  c.keep = 1;
  CHECK_THROWS_WITH(kernels::denoise_step(x, x, c, {.memory = randn({1, 2, 4, 4, 3})}),
                    "denoise_step: memory must be (2, 2, 4, 4, 3) f64, got (1, 2, 4, 4, 3) f64");
  c.keep = 4;
  CHECK_THROWS_WITH(kernels::denoise_step(x, x, c), "denoise_step: keep must be below 4, got 4");
  CHECK_THROWS_WITH(kernels::DenoisePlan({}), "DenoisePlan: there must be at least one step");
  std::vector<DenoiseCoefficients> mixed(2, kPlain);
  mixed[1].scale = NoiseScale::learned;
  CHECK_THROWS_WITH(kernels::DenoisePlan(mixed),
                    "DenoisePlan: the model must say the variance in all steps or in none");
}
