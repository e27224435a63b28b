#include "diffusion/trainer.h"

#include <charconv>
#include <cmath>
#include <set>

#include "autograd/functions.h"
#include "data/safetensors.h"
#include "kernels/axpy.h"
#include "kernels/sum_squares.h"

namespace imago::diffusion {
namespace {

int64_t integer(const std::map<std::string, std::string>& metadata, const std::string& key,
                const std::string& file) {
  const auto found = metadata.find(key);
  int64_t value = -1;
  if (found != metadata.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  IMAGO_CHECK(value >= 0, file, ": not a trainer's checkpoint: its metadata has no number '", key,
              "'");
  return value;
}

}  // namespace

Trainer::Trainer(const nn::Module& model, const TrainerOptions& options)
    : options_(options),
      arena_(std::make_unique<nn::ParameterArena>(nn::named_parameters(model), options.compute)),
      optimizer_(std::make_unique<nn::AdamW>(*arena_, options.adamw)) {
  IMAGO_CHECK(options.gradient_accumulation_steps >= 1,
              "Trainer: gradient_accumulation_steps must be at least 1, got ", options.gradient_accumulation_steps);
  if (options.ema) ema_ = std::make_unique<nn::Ema>(*arena_, *options.ema);
  queue_ = std::make_unique<StepQueue>(device(), [this](int64_t k) { return numbers(k); });
  queue_->restart(0);
}

kernels::AdamWNumbers Trainer::numbers(int64_t k) const {
  const double decay = ema_ ? nn::ema_decay(ema_->options(), k + 1 + ema_lead_) : 0;
  return optimizer_->numbers(k + 1, nn::learning_rate(options_.learning_rate, k), decay);
}

// The gradients of the loss, and what it was: over n parts, 1/n of the sum.
Tensor Trainer::backward(const Loss& loss) {
  const int64_t n = options_.gradient_accumulation_steps;
  if (n == 1) {
    const Variable value = loss(0);
    value.backward();
    return value.value();
  }
  Tensor mean;
  for (int64_t part = 0; part < n; ++part) {
    const Variable value = scale(loss(part), 1.0 / static_cast<double>(n));
    value.backward();
    if (part == 0)
      mean = value.value().clone();
    else
      kernels::axpy(1, value.value(), mean);
  }
  return mean;
}

// Everything in here is work of the device.
void Trainer::run(const Loss& loss) {
  const Tensor value = backward(loss);
  const Tensor squared_norm = kernels::sum_squares(arena_->gradients());
  kernels::finish_step(value, arena_->gradients(), squared_norm, queue_->memory());
  optimizer_->update_from(queue_->update_at(), {.max_norm = options_.max_grad_norm,
                                                .squared_norm = squared_norm,
                                                .zero_gradient = true,
                                                .ema = ema_.get()});
}

void Trainer::give(const Loss& loss, CapturedStep& step) {
  if (!options_.graph) return run(loss);
  if (!step.plan) {
    step.plan = plan_memory(trace_memory(device(), [&] { run(loss); }));
    return;
  }
  if (!step.graph.captured()) {
    trim_memory(device());  // what the first step leaves behind: a graph has memory of its own
    step.graph = Graph::capture(device(), *step.plan, [&] { run(loss); });
  }
  step.graph.launch();
}

void Trainer::queue(const Loss& loss, int64_t batch_size) {
  IMAGO_CHECK(!arena_->swapped(),
              "training: the parameters are swapped for others, close the EmaScope first");
  queue_->begin();
  try {
    give(loss, graphs_[batch_size]);
  } catch (...) {  // some of the gradients may have been added up already
    arena_->zero_grad();
    throw;
  }
  queue_->end();
  hear(false);
}

void Trainer::settle() { hear(true); }

TrainStep Trainer::step(const Loss& loss) {
  queue(loss);
  settle();
  return last_;
}

// Tells of the steps that have become known.
void Trainer::hear(bool wait) {
  for (const kernels::StepRecord& record : queue_->known(wait)) {
    if (!record.updated) give_up(record);
    const int64_t k = record.step;
    last_ = {.step = k + 1,
             .loss = record.loss,
             .grad_norm = std::sqrt(record.squared_norm),
             .learning_rate = nn::learning_rate(options_.learning_rate, k)};
    if (on_step_) on_step_(last_);
  }
}

void Trainer::give_up(const kernels::StepRecord& record) {
  std::string culprit;
  for (const nn::ParameterArena::Entry& entry : arena_->entries())
    if (record.first_bad >= entry.offset && record.first_bad < entry.offset + entry.shape.numel())
      culprit = ", and the first gradient that is not finite is that of " + entry.name;
  queue_->known(true);  // the rest of what was given has been left out
  queue_->restart(record.step);
  const std::string step = "step " + std::to_string(record.step + 1);
  const bool loss = !std::isfinite(record.loss);
  throw NonFinite(concat("training: the ", loss ? "loss of " : "gradient's norm at ", step, " is ",
                         loss ? record.loss : std::sqrt(record.squared_norm), culprit,
                         "; a lower learning rate may help"));
}

MemoryTrace Trainer::memory_of_step(const Loss& loss) {
  return dry_run(device(), [&] { run(loss); });
}

int64_t Trainer::largest_batch(size_t bytes, const std::function<Variable(int64_t batch_size)>& loss,
                               int64_t limit) {
  return imago::largest_batch(
      device(), bytes, [&](int64_t size) { run([&] { return loss(size); }); }, limit);
}

std::unique_ptr<nn::EmaScope> Trainer::averaged_weights() {
  return std::make_unique<nn::EmaScope>(*arena_, ema_ ? ema_->values() : arena_->values());
}

std::unique_ptr<nn::EmaScope> Trainer::stored_weights(bool average) {
  return std::make_unique<nn::EmaScope>(*arena_, average && ema_ ? ema_->values() : arena_->values(),
                                        nn::EmaScope::Show::exactly);
}

std::map<std::string, Tensor> Trainer::flat_state() const {
  std::map<std::string, Tensor> flat = {{"weights", arena_->values()}};
  for (const auto& [name, tensor] : optimizer_->state()) flat.emplace(name, tensor);
  if (ema_) flat.emplace("ema", ema_->values());
  return flat;
}

void Trainer::save(const std::filesystem::path& path, const Settings& settings) const {
  IMAGO_CHECK(queue_->all_known(), "Trainer::save: steps are under way, settle() them first");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [kind, flat] : flat_state())
    for (const nn::ParameterArena::Entry& entry : arena_->entries())
      tensors.emplace_back(kind + "/" + entry.name, nn::ParameterArena::part(flat, entry));
  std::map<std::string, std::string> metadata(settings.begin(), settings.end());
  metadata["step"] = std::to_string(steps());
  metadata["ema_step"] = std::to_string(ema_ ? steps() + ema_lead_ : 0);
  data::save_safetensors(path, tensors, metadata);
}

void Trainer::load(const std::filesystem::path& path, const Settings& settings) {
  settle();
  const data::SafetensorsFile file = data::SafetensorsFile::open(path);
  for (const auto& [key, value] : settings) {
    const auto found = file.metadata().find(key);
    const std::string saved = found == file.metadata().end() ? "nothing" : found->second;
    IMAGO_CHECK(saved == value, path.string(), ": was saved with ", key, " ", saved,
                ", this run has ", value, "; resume with the same flags or start a new run");
  }
  // All of it is read and checked before any of it is used.
  std::vector<std::pair<Tensor, Tensor>> copies;
  std::set<std::string> wanted;
  for (const auto& [kind, flat] : flat_state())
    for (const nn::ParameterArena::Entry& entry : arena_->entries()) {
      const std::string name = kind + "/" + entry.name;
      const Tensor saved = file.load(name);
      IMAGO_CHECK(saved.shape() == entry.shape && saved.dtype() == flat.dtype(), path.string(),
                  ": ", name, " must be ", entry.shape, " ", flat.dtype(), ", got ", saved.shape(),
                  " ", saved.dtype());
      wanted.insert(name);
      copies.emplace_back(nn::ParameterArena::part(flat, entry), saved);
    }
  for (const std::string& name : file.names())
    IMAGO_CHECK(wanted.contains(name), path.string(), ": this run has no place for ", name,
                "; resume with the same flags or start a new run");
  const int64_t step = integer(file.metadata(), "step", path.string());
  const int64_t ema_step = integer(file.metadata(), "ema_step", path.string());
  for (auto& [mine, saved] : copies) mine.copy_from(saved);
  arena_->refresh_shadow();
  queue_->restart(step);
  ema_lead_ = ema_step - step;
}

}  // namespace imago::diffusion
