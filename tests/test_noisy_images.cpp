#include "kernels/noisy_images.h"

#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::Noise;
using kernels::NoisyBatch;
using kernels::NoisyImagesOptions;
using kernels::PickedImages;

namespace {

// Full of structure.
Tensor bytes(const Shape& shape) {
  Tensor images(shape, DType::u8, Device::cpu);
  for (int64_t i = 0; i < images.numel(); ++i) images.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  return images.to(default_device());
}

struct Case {
  Shape images;
  int64_t pad_to, batch_size;
};
const Case kCases[] = {
    {{1, 1, 1, 1}, 0, 1}, {{40, 3, 5, 2}, 0, 40}, {{20, 3, 5, 2}, 8, 7},   {{9, 8, 8, 3}, 0, 5},
    {{5, 28, 28, 1}, 32, 4}, {{7, 5, 4, 3}, 9, 6}, {{3, 40, 40, 4}, 0, 2},
};

Tensor alphas() { return Tensor::from<float>({0.9f, 0.5f, 0.0f}, {3}); }
Tensor sigmas() { return Tensor::from<float>({0.1f, 0.25f, 1.0f}, {3}); }

}  // namespace

TEST_CASE("noisy_images is pick_images and noisy_batch in one", "[noisy_images]") {
  for (const auto& [shape, pad_to, batch_size] : kCases)
    for (const bool flip : {false, true})
      for (const uint64_t first : {uint64_t{0}, uint64_t{6}}) {
        PickedImages x0{.images = bytes(shape),
                        .rows = Tensor({batch_size}, DType::i64),
                        .pad_to = pad_to,
                        .flip = flip,
                        .flips = {.seed = 11, .stream = kFlipStream, .step = 5}};
        fill_integers(x0.rows, {.seed = 8}, shape[0]);
        Tensor t({batch_size}, DType::i64);
        fill_integers(t, {.seed = 7}, 3);
        const Noise noise(RandomKey{.seed = 11, .stream = kNoiseStream, .step = 2}, first);
        for (const PredictionType prediction :
             {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction})
          for (const DType dtype : {DType::f32, DType::f64}) {
            CAPTURE(shape, pad_to, flip, first, static_cast<int>(prediction), dtype);
            const NoisyImagesOptions options{.prediction = prediction, .dtype = dtype};
            const NoisyBatch one = kernels::noisy_images(x0, noise, t, alphas(), sigmas(), options);
            const Tensor clean = kernels::pick_images(x0, true).to(dtype);
            const NoisyBatch two = kernels::noisy_batch(clean, noise, t, alphas(), sigmas(), prediction);
            CHECK(difference(one.x_t, two.x_t) == 0);
            CHECK(difference(one.target, two.target) == 0);
          }
      }
}

TEST_CASE("noisy_images agrees with double in every type", "[noisy_images][agreement]") {
  for (const auto& [shape, pad_to, batch_size] : kCases)
    for (const DType dtype : device_types()) {
      CAPTURE(shape, pad_to, dtype);
      PickedImages x0{.images = bytes(shape),
                      .rows = Tensor({batch_size}, DType::i64),
                      .pad_to = pad_to,
                      .flip = true};
      Tensor t({batch_size}, DType::i64);
      fill_integers(x0.rows, {.seed = 8}, shape[0]);
      fill_integers(t, {.seed = 7}, 3);
      NoisyImagesOptions options{.prediction = PredictionType::v_prediction, .dtype = dtype};
      const NoisyBatch y = kernels::noisy_images(x0, RandomKey{}, t.to(DType::i32), alphas(), sigmas(), options);
      const DeviceScope on_cpu(Device::cpu);
      const auto cpu = [](const Tensor& tensor) { return tensor.to(Device::cpu); };
      options.dtype = DType::f64;
      x0.images = cpu(x0.images), x0.rows = cpu(x0.rows);
      const NoisyBatch expected = kernels::noisy_images(x0, RandomKey{}, cpu(t), alphas(), sigmas(), options);
      CHECK(difference(y.x_t, expected.x_t) < tolerance(dtype));
      CHECK(difference(y.target, expected.target) < tolerance(dtype));
    }
}

TEST_CASE("noisy_images takes noise from a tensor too", "[noisy_images]") {
  const PickedImages x0{.images = bytes({6, 4, 4, 3}),
                        .rows = Tensor::from<int64_t>({5, 0, 5}, {3}),
                        .pad_to = 6};
  const Tensor t = Tensor::from<int64_t>({0, 1, 2}, {3});
  const RandomKey key{.seed = 9};
  const Tensor z = imago::randn({3, 6, 6, 3}, key);
  const NoisyBatch drawn = kernels::noisy_images(x0, key, t, alphas(), sigmas());
  const NoisyBatch given = kernels::noisy_images(x0, z, t, alphas(), sigmas());
  CHECK(difference(given.x_t, drawn.x_t) == 0);
  CHECK(difference(drawn.target, z) == 0);
  CHECK(given.target.shares_memory_with(z));
}

TEST_CASE("noisy_images works on empty batches and names the bad argument", "[noisy_images][errors]") {
  const Tensor images = bytes({6, 4, 5, 3});
  const Tensor rows = Tensor::from<int64_t>({5, 0}, {2}), t = Tensor::from<int64_t>({0, 1}, {2});
  const RandomKey key;
  const auto make = [&](const Tensor& images, const Tensor& rows, const Tensor& t) {
    return kernels::noisy_images({.images = images, .rows = rows}, key, t, alphas(), sigmas());
  };
  CHECK(make(images, Tensor({0}, DType::i64), Tensor({0}, DType::i64)).target.shape() == Shape{0, 4, 5, 3});
  CHECK_THROWS_WITH(make(images.to(DType::f32), rows, t),
                    "noisy_images: images must be u8 (M, H, W, C), got f32 (6, 4, 5, 3)");
  CHECK_THROWS_WITH(make(images, rows, t.slice(0, 1)), "noisy_images: t must be (2) of i32 or i64, got (1) i64");
  const PickedImages x0{.images = images, .rows = rows};
  CHECK_THROWS_WITH(kernels::noisy_images(x0, Noise(), t, alphas(), sigmas()),
                    "noisy_images: noise must be a tensor or a key");
  CHECK_THROWS_WITH(kernels::noisy_images(x0, randn({2, 4, 5, 3}), t, alphas(), sigmas()),
                    "noisy_images: noise must be (2, 4, 5, 3) f32, got (2, 4, 5, 3) f64");
}
