// Moving pictures, as animated PNG files: every browser plays them, and other programs show the first frame.
#pragma once

#include <filesystem>

#include "core/tensor.h"

namespace imago::data {

struct AnimationOptions {
  int64_t frame_ms = 80;         // how long a frame is shown
  int64_t last_frame_ms = 1500;  // and the last one, before it starts again
};

// Frames u8 (F, H, W, 1) or (F, H, W, 3), F at least 1. Throws on other shapes, and if the file cannot be written.
// The format: https://www.w3.org/TR/png-3/#apng-frame-based-animation
void write_animation(const std::filesystem::path& path, const Tensor& frames, const AnimationOptions& options = {});

}  // namespace imago::data
