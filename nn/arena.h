// The parameters of a model in one flat buffer, and their gradients in another, so that zeroing,
// clipping, an optimiser's update and the moving average are one pass over one array each.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace imago::nn {

class ParameterArena {
 public:
  // Where one parameter lives in every flat buffer.
  struct Entry {
    std::string name;
    Shape shape;
    int64_t offset;
  };

  // Takes over those that require a gradient: each value moves into the flat buffer and becomes a
  // view of it, each gradient starts at zero and gathers in the other. The rest (stored, but not
  // trained) are left alone. Throws unless the trained ones are all f32 or all f64, each there
  // once. With `compute` bf16 the model does not see values(), which are f32, but shadow(): the same
  // rounded to bf16. Its gradients still gather in f32.
  explicit ParameterArena(const std::vector<std::pair<std::string, Variable>>& parameters,
                          std::optional<DType> compute = std::nullopt);
  ParameterArena(const ParameterArena&) = delete;
  ParameterArena& operator=(const ParameterArena&) = delete;

  // Flat, (size). Parameters start at multiples of kAlignment elements; what lies between is and
  // stays zero.
  Tensor& values() { return values_; }
  const Tensor& values() const { return values_; }
  Tensor& gradients() { return gradients_; }
  const Tensor& gradients() const { return gradients_; }
  void zero_grad() { gradients_.fill(0); }

  // The bf16 copy of values() that the model computes with; undefined where it computes with values().
  Tensor& shadow() { return shadow_; }
  // Whoever changes values() without changing shadow() too has to call this.
  void refresh_shadow() { if (shadow_.defined()) shadow_.copy_from(values_); }

  // How many numbers are trained; values() has this many and the padding.
  int64_t numel() const { return numel_; }
  const std::vector<Entry>& entries() const { return entries_; }

  // Another flat buffer with the same layout, zeroed: a moment, an average.
  Tensor zeros() const;
  // The part of a flat buffer that belongs to the entry, as a view of its shape.
  static Tensor part(const Tensor& flat, const Entry& entry) {
    return flat.view(entry.offset, entry.shape);
  }

  // Whether an EmaScope shows other values than values() at the moment.
  bool swapped() const { return swapped_; }

 private:
  friend class EmaScope;
  void show(const Tensor& flat);

  static constexpr int64_t kAlignment = 16;
  std::vector<Entry> entries_;
  std::vector<Variable> variables_;  // as the entries
  Tensor values_, gradients_, shadow_;
  int64_t numel_ = 0;
  bool swapped_ = false;
};

// While it lives, the model's parameters are those of another flat buffer, an average of the
// weights say: for sampling during training. Nothing is copied, unless the model computes in bf16;
// the parameters look elsewhere and back. Graphs recorded before stay valid.
class EmaScope {
 public:
  enum class Show : uint8_t {
    rounded,  // to what the model computes in
    exactly,  // as they are, f32: for files
  };
  EmaScope(ParameterArena& arena, const Tensor& flat, Show show = Show::rounded);
  ~EmaScope();
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  ParameterArena& arena_;
};

}  // namespace imago::nn
