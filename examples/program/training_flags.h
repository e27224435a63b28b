// The flags that every training program has, under the names of diffusers' training script.
#pragma once

#include <cstdint>
#include <string>

#include "diffusion/trainer.h"

namespace CLI {
class App;
}

namespace imago::program {

struct TrainingFlags {
  int64_t train_batch_size = 64;
  int64_t gradient_accumulation_steps = 1;
  bool random_flip = false;
  int64_t num_epochs = 1;
  int64_t max_train_steps = 0;  // 0: num_epochs decides
  double learning_rate = 1e-3;
  std::string lr_scheduler = "cosine";
  int64_t lr_warmup_steps = 50;
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_weight_decay = 0, adam_epsilon = 1e-8;
  double max_grad_norm = 1;  // 0: do not clip
  bool use_ema = true;
  double ema_inv_gamma = 1, ema_power = 0.75, ema_max_decay = 0.9999;

  int64_t eval_batch_size = 64;   // images in a sample grid
  int64_t save_images_steps = 0;  // 0: about four times in a run
  int64_t checkpointing_steps = 500;
  int64_t checkpoints_total_limit = 2;

  std::string output_dir = {};
  bool overwrite_output_dir = false;
  std::string resume_from_checkpoint = {};
  uint64_t seed = 0;
  std::string device = "auto";
  std::string precision = "auto";  // bf16 on cuda, f32 elsewhere
  std::string gradient_checkpointing = "none";
  bool detect_anomaly = false;
  int threads = 0;  // 0: all
  bool graph = true;  // steps of training and of sampling are captured once and launched as a whole
  double log_every = 10;

  // Throws unless the numbers make sense together.
  void check() const;
  // `precision`, with "auto" decided for the device. Throws if the device cannot compute in it.
  std::string precision_on(Device device) const;
  // What must be as it was when a run is resumed. The number of steps is not part of it.
  diffusion::Settings settings() const;
};

void add_training_flags(CLI::App& app, TrainingFlags& flags);

}  // namespace imago::program
