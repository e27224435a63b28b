// Which way up a photograph is: cameras store the sensor's pixels and a note on how they were held.
#pragma once

#include <string_view>

#include "core/tensor.h"

namespace imago::data {

// The orientation, 1 to 8, that a JPEG file's Exif block (CIPA DC-008, tag 0x0112) states; 1, upright, where there is
// none or it is damaged.
int exif_orientation(std::string_view jpeg);

// The image (H, W, C) turned and mirrored so that it is upright; (W, H, C) for orientations 5 to 8.
Tensor upright(const Tensor& image, int orientation);

}  // namespace imago::data
