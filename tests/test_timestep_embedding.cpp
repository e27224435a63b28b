#include "data/safetensors.h"
#include "kernels/timestep_embedding.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::fourier_embedding;
using kernels::timestep_embedding;

TEST_CASE("timestep_embedding agrees with diffusers", "[timestep_embedding][golden]") {
  const auto golden = data::SafetensorsFile::open(IMAGO_GOLDEN_DIR "/optim.safetensors");
  const struct {
    const char* name;
    int64_t dim;
    kernels::TimestepEmbeddingOptions options;
  } cases[] = {
      {"unet", 32, {}},
      {"ddpm", 32, {.flip_sin_to_cos = false, .freq_shift = 1}},
      {"odd", 7, {.freq_shift = 0.5}},
      {"scaled", 10, {.flip_sin_to_cos = false, .scale = 2.5, .max_period = 500}},
  };
  for (const auto& [name, dim, options] : cases)
    for (const std::string t : {"steps", "fractions"}) {
      CAPTURE(name, t);
      const Tensor y = timestep_embedding(golden.load("embedding/" + t), dim, options);
      CHECK(difference(y, golden.load(concat("embedding/", name, "/", t))) < 1e-6);
    }
}

TEST_CASE("timestep_embedding takes steps of any type", "[timestep_embedding]") {
  const Tensor steps = Tensor::from<int64_t>({0, 3, 999}, {3});
  const Tensor y = timestep_embedding(steps, 6);
  for (const DType dtype : {DType::i32, DType::f32, DType::f64})
    CHECK(difference(timestep_embedding(steps.to(dtype), 6), y) == 0);
  // in f32 the frequencies are rounded, and 999 times that is what the embedding is off by
  CHECK(difference(timestep_embedding(steps, 6, {}, DType::f64), y) < 1e-4);
}

TEST_CASE("timestep_embedding in every type is the one in f32, rounded",
          "[timestep_embedding][agreement]") {
  const Tensor steps = Tensor::from<int64_t>({0, 1, 31, 500, 999}, {5});
  for (const DType dtype : device_types())
    for (const int64_t dim : {1, 2, 7, 32, 33})
      for (const bool flip : {false, true}) {
        CAPTURE(dtype, dim, flip);
        const kernels::TimestepEmbeddingOptions options{.flip_sin_to_cos = flip, .freq_shift = 0.5};
        CHECK(difference(timestep_embedding(steps, dim, options, dtype),
                         timestep_embedding(steps, dim, options).to(dtype)) == 0);
      }
}

TEST_CASE("timestep_embedding of step 0 is cos 0 and sin 0", "[timestep_embedding]") {
  const Tensor zero = Tensor::zeros({1}, DType::i64);
  CHECK(timestep_embedding(zero, 5).to_vector<float>() == std::vector<float>{1, 1, 0, 0, 0});
  CHECK(timestep_embedding(zero, 5, {.flip_sin_to_cos = false}).to_vector<float>() ==
        std::vector<float>{0, 0, 1, 1, 0});
  CHECK(timestep_embedding(zero, 1).to_vector<float>() == std::vector<float>{0});
  CHECK(timestep_embedding(Tensor({0}, DType::i64), 4).shape() == Shape{0, 4});
}

TEST_CASE("fourier_embedding is sines and cosines of the logarithm", "[timestep_embedding]") {
  const std::vector<double> f = {0.25, -16, 3.5, 40, 0};
  const Tensor frequencies = Tensor::from<double>(f, {5});
  const Tensor steps = Tensor::from<double>({1, 0.002, 2.5, 80, 999}, {5});
  const std::vector<double> t = steps.to_vector<double>();
  for (const int64_t F : {1, 2, 5}) {
    const Tensor y = fourier_embedding(steps, frequencies.slice(0, F));
    REQUIRE(y.shape() == Shape{5, 2 * F});
    const std::vector<double> values = y.to_vector<double>();
    for (size_t n = 0; n < 5; ++n)
      for (size_t i = 0; i < size_t(F); ++i) {
        const double angle = 2 * M_PI * std::log(t[n]) * f[i];
        CHECK(std::abs(values[n * 2 * F + i] - std::sin(angle)) < 1e-12);
        CHECK(std::abs(values[n * 2 * F + F + i] - std::cos(angle)) < 1e-12);
      }
  }
  const Tensor whole = Tensor::from<int64_t>({1, 80, 999}, {3});
  CHECK(difference(fourier_embedding(whole, frequencies),
                   fourier_embedding(whole.to(DType::f32), frequencies)) == 0);
  // In f32 an angle of a thousand radians is rounded to 6e-5.
  for (const DType dtype : device_types())
    CHECK(difference(fourier_embedding(steps, frequencies.to(dtype)),
                     fourier_embedding(steps, frequencies)) < (dtype == DType::f32 ? 2e-4 : 4e-3));
  CHECK(fourier_embedding(Tensor({0}), frequencies).shape() == Shape{0, 10});
  CHECK_THROWS_WITH(fourier_embedding(steps.reshape({1, 5}), frequencies),
                    "fourier_embedding: t must be (N), got (1, 5)");
  CHECK_THROWS_WITH(fourier_embedding(steps, frequencies.reshape({1, 5})),
                    "fourier_embedding: frequencies must be (F), got (1, 5)");
}

TEST_CASE("timestep_embedding names the bad argument", "[timestep_embedding][errors]") {
  const Tensor t = Tensor::zeros({2}, DType::i64);
  CHECK_THROWS_WITH(timestep_embedding(t.reshape({1, 2}), 4),
                    "timestep_embedding: t must be (N), got (1, 2)");
  CHECK_THROWS_WITH(timestep_embedding(t, 0), "timestep_embedding: dim must be at least 1, got 0");
  CHECK_THROWS_WITH(timestep_embedding(t, 2, {.freq_shift = 1}),
                    "timestep_embedding: freq_shift must not be half of dim, got 1 for dim 2");
  CHECK_THROWS_WITH(timestep_embedding(Tensor::zeros({2}, DType::u8), 4), Contains("u8"));
}
