// Writes a tiny pipeline whose UNet knows three classes, for tests from the outside.
//   class_model FOLDER
#include "diffusion/pipeline.h"
#include "nn/unet2d.h"

int main(int, char** argv) {
  using namespace imago;
  const nn::UNet2DConfig config = {.sample_size = nn::ImageSize{8, 8},
                                   .down_block_types = {"DownBlock2D", "DownBlock2D"},
                                   .up_block_types = {"UpBlock2D", "UpBlock2D"},
                                   .block_out_channels = {4, 8},
                                   .layers_per_block = 1,
                                   .norm_num_groups = 4,
                                   .num_class_embeds = 3};
  diffusion::save_pipeline(argv[1], nn::UNet2D(config, nn::Init::torch(0)), R"({"_class_name": "DDPMScheduler"})");
}
