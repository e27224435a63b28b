#include "diffusion/trainer.h"

#include <charconv>
#include <cmath>
#include <set>

#include "data/safetensors.h"
#include "nn/optim/clip.h"

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

void require_finite(const char* what, int64_t step, double value) {
  if (!std::isfinite(value))
    throw NonFinite(concat("training: the ", what, " step ", step, " is ", value, "; a lower learning rate may help"));
}

}  // namespace

Trainer::Trainer(const nn::Module& model, const TrainerOptions& options)
    : options_(options),
      arena_(std::make_unique<nn::ParameterArena>(nn::named_parameters(model), options.compute)),
      optimizer_(std::make_unique<nn::AdamW>(*arena_, options.adamw)) {
  if (options.ema) ema_ = std::make_unique<nn::Ema>(*arena_, *options.ema);
}

TrainStep Trainer::step(const Variable& loss) {
  const double value = loss.value().item();
  require_finite("loss of", steps() + 1, value);
  arena_->zero_grad();
  loss.backward();
  const double no_limit = INFINITY;
  const nn::GradientClip clip =
      nn::clip_grad_norm(*arena_, options_.max_grad_norm > 0 ? options_.max_grad_norm : no_limit);
  require_finite("gradient's norm at", steps() + 1, clip.norm);
  const double lr = nn::learning_rate(options_.learning_rate, steps());
  optimizer_->step(lr, {.gradient_scale = clip.scale, .ema = ema_.get()});
  return {value, clip.norm, lr};
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
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [kind, flat] : flat_state())
    for (const nn::ParameterArena::Entry& entry : arena_->entries())
      tensors.emplace_back(kind + "/" + entry.name, nn::ParameterArena::part(flat, entry));
  std::map<std::string, std::string> metadata(settings.begin(), settings.end());
  metadata["step"] = std::to_string(steps());
  metadata["ema_step"] = std::to_string(ema_ ? ema_->steps() : 0);
  data::save_safetensors(path, tensors, metadata);
}

void Trainer::load(const std::filesystem::path& path, const Settings& settings) {
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
  optimizer_->set_steps(step);
  if (ema_) ema_->set_steps(ema_step);
}

}  // namespace imago::diffusion
