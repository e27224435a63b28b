// Images on disk.
#pragma once

#include <filesystem>

#include "core/tensor.h"

namespace imago::data {

inline constexpr int64_t kMaxPngSide = 1 << 14;  // pixels

// Writes a u8 image (H, W, 1) or (H, W, 3) as PNG, with sides of at most kMaxPngSide.
void write_png(const std::filesystem::path& path, const Tensor& image);

// A PNG or JPEG file as a u8 image (H, W, C). With `channels` = 0, C is 1 for grey and 3 for colour images; 1 or 3
// converts. The image is turned upright, see data/exif.h; where it is transparent, white shows through.
Tensor read_image(const std::filesystem::path& path, int channels = 0);

}  // namespace imago::data
