#include "examples/program/training_flags.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "core/check.h"
#include "examples/program/command_line.h"

namespace imago::program {

void add_training_flags(CLI::App& app, TrainingFlags& f) {
  const char* group = "Training";
  const auto add = [&](const char* flag, auto& value, const char* help, auto... checks) {
    CLI::Option* option = app.add_option(flag, value, help)->group(group);
    (option->check(checks), ...);
  };
  const auto add_switch = [&](const char* flags, bool& value, const char* help) {
    app.add_flag(flags, value, help)->group(group);
  };
  const CLI::IsMember schedules({"constant", "linear", "cosine"});
  add("--train-batch-size", f.train_batch_size, "images per step", positive);
  add("--gradient-accumulation-steps", f.gradient_accumulation_steps,
      "batches that one step goes through before it updates the weights: a larger batch in the memory of a small one",
      positive);
  add_switch("--random-flip,!--no-random-flip", f.random_flip, "mirror every other image, left to right, by chance");
  add("--num-epochs", f.num_epochs, "passes over the data set", positive);
  add("--max-train-steps", f.max_train_steps, "stop after this many steps, whatever the epochs",
      not_negative);
  add("--learning-rate", f.learning_rate, "peak learning rate", positive);
  add("--lr-scheduler", f.lr_scheduler, "constant, linear or cosine", schedules);
  add("--lr-warmup-steps", f.lr_warmup_steps, "steps over which the learning rate rises",
      not_negative);
  add("--adam-beta1", f.adam_beta1, "decay of Adam's first moment", fraction);
  add("--adam-beta2", f.adam_beta2, "decay of Adam's second moment", fraction);
  add("--adam-weight-decay", f.adam_weight_decay, "decoupled weight decay", not_negative);
  add("--adam-epsilon", f.adam_epsilon, "Adam's epsilon", positive);
  add("--max-grad-norm", f.max_grad_norm, "clip the gradient's norm to this; 0 does not clip",
      not_negative);
  add_switch("--use-ema,!--no-ema", f.use_ema,
             "average the weights over time and draw with the average");
  add("--ema-inv-gamma", f.ema_inv_gamma, "warm-up of the average", positive);
  add("--ema-power", f.ema_power, "warm-up of the average", positive);
  add("--ema-max-decay", f.ema_max_decay, "the average's largest decay", fraction);

  group = "Run";
  add("--output-dir", f.output_dir, "the run's folder (default: a new one under runs/)");
  add_switch("--overwrite-output-dir", f.overwrite_output_dir, "throw away the run that is in it");
  add("--resume-from-checkpoint", f.resume_from_checkpoint,
      "'latest', or a checkpoint's folder; what steers the training must be as it was, but the run "
      "may become longer, by --num-epochs or --max-train-steps");
  add("--checkpointing-steps", f.checkpointing_steps,
      "save a checkpoint every so many steps; 0 only at the end", not_negative);
  add("--checkpoints-total-limit", f.checkpoints_total_limit, "checkpoints to keep; 0 keeps all",
      not_negative);
  add("--save-images-steps", f.save_images_steps,
      "draw samples every so many steps (default: four times a run)", not_negative);
  add("--eval-batch-size", f.eval_batch_size, "images in a sample grid", positive);
  add("--seed", f.seed, "the same seed gives the same run");
  add("--device", f.device, "auto, cpu, cuda, or simt: the CUDA kernels on an emulator, for tests",
      CLI::IsMember({"auto", "cpu", "cuda", "simt"}));
  add_switch("--graph,!--no-graph", f.graph,
             "capture a step of training or sampling, and launch it as a whole: the same bits in less time (default)");
  add("--precision", f.precision,
      "f32, tf32 (products on a GPU rounded to 11 bits) or bf16 (activations and the weights' copies that are computed "
      "with; weights, statistics and the optimiser stay f32); auto: bf16 on cuda, f32 elsewhere",
      CLI::IsMember({"auto", "f32", "tf32", "bf16"}));
  add("--gradient-checkpointing", f.gradient_checkpointing,
      "what backward computes again instead of keeping it in memory: none, norms (normalisations and activations) or "
      "blocks (whole residual blocks and attentions); results are the same bits",
      CLI::IsMember({"none", "norms", "blocks"}));
  add_switch("--detect-anomaly", f.detect_anomaly,
             "look at every result and gradient, and stop at the first that is not finite; slow");
  add("--threads", f.threads, "threads to use (default: all processors)", not_negative);
  add("--log-every", f.log_every, "seconds between lines when the output is not a terminal",
      not_negative);
}

void TrainingFlags::check() const {
  IMAGO_CHECK(adam_beta1 < 1 && adam_beta2 < 1,
              "--adam-beta1 and --adam-beta2 must be below 1, got ", adam_beta1, " and ",
              adam_beta2);
  IMAGO_CHECK(!(overwrite_output_dir && !resume_from_checkpoint.empty()),
              "--overwrite-output-dir and --resume-from-checkpoint exclude each other");
}

std::string TrainingFlags::precision_on(Device device) const {
  if (precision == "auto") return device == Device::cuda ? "bf16" : "f32";
  IMAGO_CHECK(precision != "bf16" || device != Device::cpu,
              "--precision bf16 must be with --device cuda: the CPU's kernels compute in f32");
  return precision;
}

diffusion::Settings TrainingFlags::settings() const {
  diffusion::Settings settings;
  const auto add = [&](const char* name, const auto& value) {
    settings.emplace_back(name, fmt::format("{}", value));
  };
  add("seed", seed);
  add("train_batch_size", train_batch_size);
  add("gradient_accumulation_steps", gradient_accumulation_steps);
  add("random_flip", random_flip);
  add("learning_rate", learning_rate);
  add("lr_scheduler", lr_scheduler);
  add("lr_warmup_steps", lr_warmup_steps);
  add("adam_beta1", adam_beta1);
  add("adam_beta2", adam_beta2);
  add("adam_weight_decay", adam_weight_decay);
  add("adam_epsilon", adam_epsilon);
  add("max_grad_norm", max_grad_norm);
  add("use_ema", use_ema);
  if (use_ema) {
    add("ema_inv_gamma", ema_inv_gamma);
    add("ema_power", ema_power);
    add("ema_max_decay", ema_max_decay);
  }
  return settings;
}

}  // namespace imago::program
