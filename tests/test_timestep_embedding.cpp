#include "data/safetensors.h"
#include "kernels/timestep_embedding.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
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

TEST_CASE("timestep_embedding in every type is the one in f32, rounded", "[timestep_embedding][agreement]") {
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

TEST_CASE("timestep_embedding names the bad argument", "[timestep_embedding][errors]") {
  const Tensor t = Tensor::zeros({2}, DType::i64);
  CHECK_THROWS_WITH(timestep_embedding(t.reshape({1, 2}), 4),
                    "timestep_embedding: t must be (N), got (1, 2)");
  CHECK_THROWS_WITH(timestep_embedding(t, 0), "timestep_embedding: dim must be at least 1, got 0");
  CHECK_THROWS_WITH(timestep_embedding(t, 2, {.freq_shift = 1}),
                    "timestep_embedding: freq_shift must not be half of dim, got 1 for dim 2");
  CHECK_THROWS_WITH(timestep_embedding(Tensor::zeros({2}, DType::u8), 4), Contains("u8"));
}
