#include "nn/describe.h"

#include <charconv>

namespace imago::nn {
namespace {

// "down_blocks.2.attentions..." -> 2
int64_t block_index(std::string_view name, std::string_view path) {
  int64_t index = 0;
  const std::string_view number = name.substr(path.size());
  std::from_chars(number.data(), number.data() + number.size(), index);
  return index;
}

// How often the resolution has been halved where this parameter does its work.
int64_t depth_of(std::string_view name, int64_t levels) {
  constexpr std::string_view kDown = "down_blocks.", kUp = "up_blocks.";
  const auto has = [&](const char* part) { return name.find(part) != name.npos; };
  // What changes the resolution does its work behind the change.
  if (name.starts_with(kDown))
    return block_index(name, kDown) +
           (has(".downsamplers.") || has(".resnet_down.") || has(".skip_conv."));
  if (name.starts_with(kUp))
    return levels - 1 - block_index(name, kUp) - (has(".upsamplers.") || has(".resnet_up."));
  return name.starts_with("mid_block.") ? levels - 1 : 0;
}

}  // namespace

Description describe(const UNet2D& unet, const ImageSize& size) {
  const UNet2DConfig& config = unet.config();
  const int64_t multiple = config.downsampling();
  IMAGO_CHECK(size.height % multiple == 0 && size.width % multiple == 0,
              "describe: height and width must be multiples of ", multiple, ", got ", size.height,
              " x ", size.width);
  const auto levels = static_cast<int64_t>(config.block_out_channels.size());
  Description total;
  for (const auto& [name, parameter] : named_parameters(unet)) {
    total.parameters += parameter.numel();
    if (!name.ends_with(".weight") || parameter.shape().rank() < 2) continue;
    const int64_t depth = depth_of(name, levels);
    const int64_t pixels = (size.height >> depth) * (size.width >> depth);
    const bool attention = name.find("attentions.") != name.npos;
    const bool table =
        name == "time_proj.weight" || (name == "class_embedding.weight" && config.num_class_embeds);
    if (table) continue;
    const bool per_pixel = attention || parameter.shape().rank() == 4;
    total.flops_per_image += 2 * parameter.numel() * (per_pixel ? pixels : 1);
    // q k^T and its product with v: every pixel looks at every other, in each channel.
    if (attention && name.ends_with(".to_q.weight"))
      total.flops_per_image += 4 * pixels * pixels * parameter.shape()[0];
  }
  return total;
}

}  // namespace imago::nn
