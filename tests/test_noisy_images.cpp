#include "kernels/noisy_images.h"

#include "data/batches.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using kernels::Noise;
using kernels::NoisyBatch;
using kernels::NoisyImagesOptions;

namespace {

// Image n's label is n, so that a batch tells which rows it has. In the host's memory.
data::ImageDataset numbered(const Shape& shape) {
  data::ImageDataset set{.images = Tensor(shape, DType::u8, Device::cpu),
                         .labels = Tensor({shape[0]}, DType::u8, Device::cpu)};
  for (int64_t i = 0; i < set.images.numel(); ++i)
    set.images.data<uint8_t>()[i] = static_cast<uint8_t>(37 * i + i / 256);
  for (int64_t n = 0; n < shape[0]; ++n) set.labels.data<uint8_t>()[n] = static_cast<uint8_t>(n);
  return set;
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

TEST_CASE("noisy_images is Batches and noisy_batch in one", "[noisy_images]") {
  const uint64_t seed = 11;
  for (const auto& [shape, pad_to, batch_size] : kCases)
    for (const bool flip : {false, true})
      for (const uint64_t first : {uint64_t{0}, uint64_t{6}}) {
        const data::ImageDataset set = numbered(shape);
        const Tensor images = set.images.to(default_device());
        data::Batches batches(set, {.batch_size = batch_size, .flip = flip, .pad_to = pad_to, .seed = seed});
        batches.seek({.epoch = 5});
        const data::Batch batch = batches.next();
        Tensor t({batch_size}, DType::i64);
        fill_integers(t, {.seed = 7}, 3);
        const Noise noise(RandomKey{.seed = seed, .stream = kNoiseStream, .step = 2}, first);
        for (const PredictionType prediction :
             {PredictionType::epsilon, PredictionType::sample, PredictionType::v_prediction})
          for (const DType dtype : {DType::f32, DType::f64}) {
            CAPTURE(shape, pad_to, flip, first, static_cast<int>(prediction), dtype);
            const NoisyImagesOptions options{
                .pad_to = pad_to,
                .flip = flip,
                .flips = {.seed = seed, .stream = kFlipStream, .step = 5},
                .prediction = prediction,
                .dtype = dtype,
            };
            const NoisyBatch one = kernels::noisy_images(images, batch.labels, noise, t, alphas(), sigmas(), options);
            const NoisyBatch two =
                kernels::noisy_batch(batch.images.to(dtype), noise, t, alphas(), sigmas(), prediction);
            CHECK(difference(one.x_t, two.x_t) == 0);
            CHECK(difference(one.target, two.target) == 0);
          }
      }
}

TEST_CASE("noisy_images agrees with double in every type", "[noisy_images][agreement]") {
  for (const auto& [shape, pad_to, batch_size] : kCases)
    for (const DType dtype : device_types()) {
      CAPTURE(shape, pad_to, dtype);
      const Tensor images = numbered(shape).images.to(default_device());
      Tensor rows({batch_size}, DType::i64), t({batch_size}, DType::i64);
      fill_integers(rows, {.seed = 8}, shape[0]);
      fill_integers(t, {.seed = 7}, 3);
      NoisyImagesOptions options{.pad_to = pad_to, .flip = true, .prediction = PredictionType::v_prediction};
      options.dtype = dtype;
      const NoisyBatch y =
          kernels::noisy_images(images, rows, RandomKey{}, t.to(DType::i32), alphas(), sigmas(), options);
      const DeviceScope on_cpu(Device::cpu);
      const auto cpu = [](const Tensor& tensor) { return tensor.to(Device::cpu); };
      options.dtype = DType::f64;
      const NoisyBatch expected =
          kernels::noisy_images(cpu(images), cpu(rows), RandomKey{}, cpu(t), alphas(), sigmas(), options);
      CHECK(difference(y.x_t, expected.x_t) < tolerance(dtype));
      CHECK(difference(y.target, expected.target) < tolerance(dtype));
    }
}

TEST_CASE("noisy_images takes noise from a tensor too", "[noisy_images]") {
  const Tensor images = numbered({6, 4, 4, 3}).images.to(default_device());
  const Tensor rows = Tensor::from<int64_t>({5, 0, 5}, {3}), t = Tensor::from<int64_t>({0, 1, 2}, {3});
  const RandomKey key{.seed = 9};
  const Tensor z = imago::randn({3, 6, 6, 3}, key);
  const NoisyBatch drawn = kernels::noisy_images(images, rows, key, t, alphas(), sigmas(), {.pad_to = 6});
  const NoisyBatch given = kernels::noisy_images(images, rows, z, t, alphas(), sigmas(), {.pad_to = 6});
  CHECK(difference(given.x_t, drawn.x_t) == 0);
  CHECK(difference(drawn.target, z) == 0);
  CHECK(given.target.shares_memory_with(z));
}

TEST_CASE("noisy_images works on empty batches and names the bad argument", "[noisy_images][errors]") {
  const Tensor images = numbered({6, 4, 5, 3}).images.to(default_device());
  const Tensor rows = Tensor::from<int64_t>({5, 0}, {2}), t = Tensor::from<int64_t>({0, 1}, {2});
  const RandomKey key;
  const auto make = [&](const Tensor& images, const Tensor& rows, const Tensor& t, int64_t pad_to = 0) {
    return kernels::noisy_images(images, rows, key, t, alphas(), sigmas(), {.pad_to = pad_to});
  };
  CHECK(make(images, Tensor({0}, DType::i64), Tensor({0}, DType::i64)).target.shape() == Shape{0, 4, 5, 3});
  CHECK_THROWS_WITH(make(images.to(DType::f32), rows, t),
                    "noisy_images: images must be u8 (M, H, W, C), got f32 (6, 4, 5, 3)");
  CHECK_THROWS_WITH(make(images, rows.to(DType::i32), t), "noisy_images: rows must be i64 (N), got i32 (2)");
  CHECK_THROWS_WITH(make(images, rows, t, 4), "noisy_images: pad_to must be 0 or at least 5, got 4");
  CHECK_THROWS_WITH(make(images, Tensor::from<int64_t>({6, 0}, {2}), t), "noisy_images: rows must be in [0, 6), got 6");
  CHECK_THROWS_WITH(make(images, rows, t.slice(0, 1)), "noisy_images: t must be (2) of i32 or i64, got (1) i64");
  CHECK_THROWS_WITH(kernels::noisy_images(images, rows, Noise(), t, alphas(), sigmas()),
                    "noisy_images: noise must be a tensor or a key");
  CHECK_THROWS_WITH(kernels::noisy_images(images, rows, randn({2, 4, 5, 3}), t, alphas(), sigmas()),
                    "noisy_images: noise must be (2, 4, 5, 3) f32, got (2, 4, 5, 3) f64");
}
