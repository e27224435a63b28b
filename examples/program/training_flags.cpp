#include "examples/program/training_flags.h"

#include <CLI/CLI.hpp>

#include "core/check.h"
#include "examples/program/command_line.h"

namespace imago::program {

void add_training_flags(CLI::App& app, TrainingFlags& f) {
  app.add_option("--train-batch-size", f.train_batch_size, "images per step")
      ->check(positive)
      ->group("Training");
  app.add_option("--num-epochs", f.num_epochs, "passes over the data set")
      ->check(positive)
      ->group("Training");
  app.add_option("--max-train-steps", f.max_train_steps,
                 "stop after this many steps, whatever the epochs")
      ->check(not_negative)
      ->group("Training");
  app.add_option("--learning-rate", f.learning_rate, "peak learning rate")
      ->check(positive)
      ->group("Training");
  app.add_option("--lr-scheduler", f.lr_scheduler, "constant, linear or cosine")
      ->check(CLI::IsMember({"constant", "linear", "cosine"}))
      ->group("Training");
  app.add_option("--lr-warmup-steps", f.lr_warmup_steps, "steps over which the learning rate rises")
      ->check(not_negative)
      ->group("Training");
  app.add_option("--adam-beta1", f.adam_beta1, "decay of Adam's first moment")
      ->check(fraction)
      ->group("Training");
  app.add_option("--adam-beta2", f.adam_beta2, "decay of Adam's second moment")
      ->check(fraction)
      ->group("Training");
  app.add_option("--adam-weight-decay", f.adam_weight_decay, "decoupled weight decay")
      ->check(not_negative)
      ->group("Training");
  app.add_option("--adam-epsilon", f.adam_epsilon, "Adam's epsilon")
      ->check(positive)
      ->group("Training");
  app.add_option("--max-grad-norm", f.max_grad_norm,
                 "clip the gradient's norm to this; 0 does not clip")
      ->check(not_negative)
      ->group("Training");
  app.add_flag("--use-ema,!--no-ema", f.use_ema,
               "average the weights over time and draw with the average")
      ->group("Training");
  app.add_option("--ema-inv-gamma", f.ema_inv_gamma, "warm-up of the average")
      ->check(positive)
      ->group("Training");
  app.add_option("--ema-power", f.ema_power, "warm-up of the average")
      ->check(positive)
      ->group("Training");
  app.add_option("--ema-max-decay", f.ema_max_decay, "the average's largest decay")
      ->check(fraction)
      ->group("Training");

  app.add_option("--output-dir", f.output_dir, "the run's folder (default: a new one under runs/)")
      ->group("Run");
  app.add_flag("--overwrite-output-dir", f.overwrite_output_dir, "throw away the run that is in it")
      ->group("Run");
  app.add_option("--resume-from-checkpoint", f.resume_from_checkpoint,
                 "'latest', or a checkpoint's folder")
      ->group("Run");
  app.add_option("--checkpointing-steps", f.checkpointing_steps,
                 "save a checkpoint every so many steps; 0 only at the end")
      ->check(not_negative)
      ->group("Run");
  app.add_option("--checkpoints-total-limit", f.checkpoints_total_limit,
                 "checkpoints to keep; 0 keeps all")
      ->check(not_negative)
      ->group("Run");
  app.add_option("--save-images-steps", f.save_images_steps,
                 "draw samples every so many steps (default: four times a run)")
      ->check(not_negative)
      ->group("Run");
  app.add_option("--eval-batch-size", f.eval_batch_size, "images in a sample grid")
      ->check(positive)
      ->group("Run");
  app.add_option("--seed", f.seed, "the same seed gives the same run")->group("Run");
  app.add_option("--threads", f.threads, "threads to use (default: all processors)")
      ->check(not_negative)
      ->group("Run");
  app.add_option("--log-every", f.log_every,
                 "seconds between lines when the output is not a terminal")
      ->check(not_negative)
      ->group("Run");
}

void TrainingFlags::check() const {
  IMAGO_CHECK(adam_beta1 < 1 && adam_beta2 < 1,
              "--adam-beta1 and --adam-beta2 must be below 1, got ", adam_beta1, " and ",
              adam_beta2);
  IMAGO_CHECK(!(overwrite_output_dir && !resume_from_checkpoint.empty()),
              "--overwrite-output-dir and --resume-from-checkpoint exclude each other");
}

}  // namespace imago::program
