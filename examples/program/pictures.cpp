#include "examples/program/pictures.h"

#include "data/grid.h"
#include "data/image_file.h"

namespace imago::program {
namespace {

constexpr int64_t kComfortableWidth = 64;  // pixels that an image is magnified to, about

int64_t magnification(const Shape& images) {
  return std::max<int64_t>(1, kComfortableWidth / images[2]);
}

// The images of all batches in one.
Tensor stack(const std::vector<Tensor>& batches) {
  int64_t n = 0;
  for (const Tensor& batch : batches) n += batch.dim(0);
  Tensor all(batches.at(0).shape().with(0, n));
  int64_t at = 0;
  for (const Tensor& batch : batches) {
    all.slice(at, at + batch.dim(0)).copy_from(batch);
    at += batch.dim(0);
  }
  return all;
}

}  // namespace

void write_grid(const std::filesystem::path& png, const Tensor& images, data::PixelRange range) {
  data::write_png(png, data::image_grid(data::to_bytes(images, range),
                                        {.upscale = magnification(images.shape())}));
}

void write_rows(const std::filesystem::path& png, const std::vector<Tensor>& rows,
                data::PixelRange range) {
  const Tensor all = stack(rows);
  data::write_png(
      png, data::image_grid(data::to_bytes(all, range),
                            {.columns = rows[0].dim(0), .upscale = magnification(all.shape())}));
}

void Strip::add(int64_t step, const Tensor& x_t, const Tensor& x_0) {
  // Frame i shows step ceil((i + 1) total / frames), so that the last frame is the last step.
  const auto frames_until = [&](int64_t s) { return s * frames_ / total_; };
  if (frames_until(step) == frames_until(step - 1)) return;
  x_t_.push_back(x_t.slice(0, images_).clone());
  x_0_.push_back(x_0.slice(0, images_).clone());
}

void Strip::write(const std::filesystem::path& png, data::PixelRange range) const {
  std::vector<Tensor> rows;
  for (int64_t image = 0; image < images_; ++image)
    for (const std::vector<Tensor>* frames : {&x_t_, &x_0_}) {
      std::vector<Tensor> row;
      for (const Tensor& frame : *frames) row.push_back(frame.slice(image, image + 1));
      rows.push_back(stack(row));
    }
  write_rows(png, rows, range);
}

}  // namespace imago::program
